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


def files_of(builder: Any) -> dict[str, list[str]]:
    """Return each split's files of a builder."""
    return {str(split): [str(file) for file in found] for split, found in (builder.config.data_files or {}).items()}


def reads_folders(builder: Any) -> bool:
    """Whether a builder takes classes from folders of images: one of image folders without a list of them."""
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    named = [file.rpartition("/")[2] for files in files_of(builder).values() for file in files]
    return isinstance(builder, ImageFolder) and not set(named) & set(builder.METADATA_FILENAMES)


def opened(path: str) -> IO[bytes]:
    """Open a file of a dataset where it lies: on this machine, on the Hub, or in an archive (`zip://a.png::x.zip`)."""
    from datasets.download.streaming_download_manager import xopen

    return cast("IO[bytes]", xopen(path, "rb"))
