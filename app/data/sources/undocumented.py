"""What the program uses of the `datasets` library that its documentation does not promise; nothing else does.

tests/data/test_undocumented.py fails when one of these moves.
"""

from __future__ import annotations

from typing import IO, Any, cast


def end_without_sleep() -> None:
    """Remove the 5 s that each read of parquet files ends with; `app.cli.leave` does what they are for."""
    import datasets

    datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0


def leave_encoded(builder: Any) -> None:
    """Have a builder of image folders give files as they are, not decoded by its threads."""
    if hasattr(builder.config, "decode_num_threads"):
        builder.config.decode_num_threads = 0


def image_files(builder: Any) -> tuple[dict[str, list[str]], list[str], list[str]] | None:
    """Return each split's files of an image folder, the endings and the metadata files' names; None for others."""
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    if not isinstance(builder, ImageFolder):
        return None
    files = {str(split): [str(file) for file in found] for split, found in (builder.config.data_files or {}).items()}
    return files, list(builder.EXTENSIONS), list(builder.METADATA_FILENAMES)


def data_files(builder: Any) -> dict[str, list[str]]:
    """Return the addresses of each split's files; a builder opens what these lists hold, also after a change of them.

    Empty where there are none: of what an earlier use of `datasets` left in its own cache, which it falls back to.
    """
    return {str(split): files for split, files in (builder.config.data_files or {}).items()}


def opened(path: str) -> IO[bytes]:
    """Open a file of a dataset where it lies: on this machine, on the Hub, or in an archive (`zip://a.png::x.zip`)."""
    from datasets.download.streaming_download_manager import xopen

    return cast("IO[bytes]", xopen(path, "rb"))
