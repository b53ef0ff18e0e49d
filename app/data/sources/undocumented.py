"""Undocumented parts of the `datasets` library that the program uses. No other module uses such parts.

tests/data/test_undocumented.py fails if one of them changes.
"""

from __future__ import annotations

from typing import IO, Any, cast


def end_without_sleep() -> None:
    """Remove the 5 s wait at the end of each read of parquet files.

    `app.cli.leave` does what the wait is for.
    """
    import datasets

    datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0


def leave_encoded(builder: Any) -> None:
    """Make a builder of image folders return files as they are, instead of decoding them in its threads."""
    if hasattr(builder.config, "decode_num_threads"):
        builder.config.decode_num_threads = 0


def image_files(builder: Any) -> tuple[dict[str, list[str]], list[str], list[str]] | None:
    """Return the files of each split, the endings and the metadata files' names of an image folder.

    The result is None for other builders.
    """
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    if not isinstance(builder, ImageFolder):
        return None
    files = {str(split): [str(file) for file in found] for split, found in (builder.config.data_files or {}).items()}
    return files, list(builder.EXTENSIONS), list(builder.METADATA_FILENAMES)


def data_files(builder: Any) -> dict[str, list[str]]:
    """Return the addresses of each split's files. A builder opens these lists, even after they are changed.

    The result is empty if there are none. Then the builder falls back to its cache of an earlier use of `datasets`.
    """
    return {str(split): files for split, files in (builder.config.data_files or {}).items()}


def opened(path: str) -> IO[bytes]:
    """Open a file of a dataset on this machine, on the Hub, or in an archive (`zip://a.png::x.zip`)."""
    from datasets.download.streaming_download_manager import xopen

    return cast("IO[bytes]", xopen(path, "rb"))
