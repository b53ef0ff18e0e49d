"""Files that are complete or absent, since they are written aside, fsynced and renamed; checksums and free space."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..errors import DISK_FULL, DiskFull, lacks_inodes, why_full


class Condition(Protocol):
    """A condition under which this process may change files. It raises an error if it is not met."""

    def __call__(self, *, recent: bool = False) -> None: ...


NAME_BYTES = 255  # bytes of one file name, on Linux's and macOS's file systems
_conditions: list[Condition] = []  # conditions under which this process may change any file: see `only_while`


@contextmanager
def only_while(require: Condition) -> Iterator[None]:
    """Call `require` before each file is written or moved into place within the context, in all threads.

    It raises an error if this process may no longer change files, such as those of a run that another machine took
    over.
    """
    _conditions.append(require)
    try:
        yield
    finally:
        _conditions.remove(require)


def require_allowed(*, recent: bool = False) -> None:
    """Raise an error if this process may not change files.

    With `recent`, for a small write, a recent check is enough.
    """
    for require in _conditions:
        require(recent=recent)


@contextmanager
def replacing(path: Path, *, wanted: int = 0) -> Iterator[Path]:
    """Yield a temporary path next to `path` to write to. At the end it is fsynced and replaces `path`.

    After an error the temporary file is removed. `wanted` is its size in bytes, if known. Raises DiskFull if there is
    no space for it, and OSError if `path` is a folder or a device, such as /dev/null. A pipe or a socket is replaced.
    """
    require_allowed()
    _require_no_device(path)
    make_folder(path.parent)
    require_space(path.parent, wanted, path.name)
    aside = path.with_name(beside(path.name, f"{os.getpid()}-{threading.get_native_id()}.aside"))
    try:
        with no_space_named(path, wanted):
            aside.touch()
            mode = aside.stat().st_mode  # what the user's umask gives; some writers make files only they can read
            yield aside
            aside.chmod(mode)
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            require_allowed()
            aside.replace(path)
            fsync_folder(path.parent)
    except OSError as error:
        require_allowed()  # whoever took over may have removed the file aside
        if str(error.filename) != str(aside):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error  # not of the temporary name
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Yield a folder next to `path` for a writer's temporary files, and remove the folder at the end."""
    folder = path.with_name(beside(path.name, f"{os.getpid()}-{threading.get_native_id()}.scratch"))
    make_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def beside(name: str, ending: str) -> str:
    """Return the hidden name `.name.ending` of a temporary file. It is cut if it is too long for a file system."""
    cut = NAME_BYTES - len(f"..{ending}")
    whole = name.encode(errors="surrogateescape")
    return f".{name if len(whole) <= cut else whole[:cut].decode(errors='ignore')}.{ending}"


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically, so that a reader sees the old or the new text, never a part."""
    data = text.encode()
    with replacing(path, wanted=len(data)) as aside:
        aside.write_bytes(data)


def make_folder(folder: Path) -> Path:
    """Make a folder and its parents, also if a link leads to one that does not exist yet, and return it."""
    Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)
    return folder


def fsync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content(path: Path) -> bytes:
    """Return the bytes of a file. Raise OSError for a pipe, a socket or a device, since reading it might never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # for a pipe this returns at once
    with os.fdopen(descriptor, "rb") as file:
        _require_regular(os.fstat(descriptor).st_mode, path)
        return file.read()


def text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return the text of a file. Raise OSError as `content` does, and ValueError if the bytes are not such text."""
    return content(path).decode(encoding, errors)


def require_file(path: Path) -> Path:
    """Return the path. Raise OSError if it does not exist, or is a folder, a pipe, a socket or a device."""
    _require_regular(path.stat().st_mode, path)
    return path


def _require_no_device(path: Path) -> None:
    """Raise OSError if a path leads to a folder or a device, which a file must not replace."""
    if path.is_dir() or path.is_block_device() or path.is_char_device():
        require_file(path)


def _require_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device, not a file", str(path))


def sha256(path: Path) -> str:
    """Return the sha256 of a file's content as hex digits."""
    with require_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(content: Mapping[str, Any]) -> str:
    """Return the sha256 of a JSON object's content, independent of its layout, to detect a later change."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def no_space_named(path: Path, wanted: int = 0) -> Iterator[None]:
    """Turn the system's `no space left` error into a sentence that names the folder and the bytes."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        why = why_full(error, path)
        size = f"{path.name} needs {wanted:,} bytes" if wanted else f"{path.name} could not be written"
        raise DiskFull(f"{why} in {path.parent}: {size}. Free some space, and run the same command again") from error


def standing(folder: Path) -> Path:
    """Return the folder, with its links resolved, or its nearest parent that exists."""
    whole = Path(os.path.realpath(folder))
    return next(path for path in (whole, *whole.parents) if os.path.isdir(path))  # noqa: PTH112  # never raises


def require_space(folder: Path, wanted: int, what: str) -> None:
    """Raise DiskFull unless the file system of `folder` has `wanted` bytes and an inode free."""
    if lacks_inodes(folder):
        raise DiskFull(
            f"{what} needs new files in {folder}, but no inodes are left there (see `df -i`). Remove some files"
        )
    free = shutil.disk_usage(standing(folder)).free
    if free < wanted:
        raise DiskFull(f"{what} needs {wanted:,} bytes in {folder}, but {free:,} are free. Free some space first")
