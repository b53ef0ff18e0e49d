"""Files that are whole or not there: written aside, fsynced, renamed; checksums and free space."""

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
    """What must be true for this process to change files; raises where it is not."""

    def __call__(self, *, recent: bool = False) -> None: ...


NAME_BYTES = 255  # of one file name, on Linux's and macOS's file systems
_conditions: list[Condition] = []  # of this process for changing any file: see `only_while`


@contextmanager
def only_while(require: Condition) -> Iterator[None]:
    """Within it `require` is called before each file is written or put in its place, in all threads.

    It raises where this process may not change files any more, such as those of a run that another machine took over.
    """
    _conditions.append(require)
    try:
        yield
    finally:
        _conditions.remove(require)


def require_allowed(*, recent: bool = False) -> None:
    """Raise what forbids this process to change files; with `recent`, for a small write, a recent look counts."""
    for require in _conditions:
        require(recent=recent)


@contextmanager
def replacing(path: Path, *, wanted: int = 0) -> Iterator[Path]:
    """Yields a path beside `path` to write to; at the end it is fsynced and takes `path`'s place, on error it goes.

    `wanted` is its size in bytes, where that is known. Raises DiskFull where there is no space for them.
    """
    require_allowed()
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
        raise type(error)(error.errno, error.strerror, str(path)) from error  # not of a name that nobody knows
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
    """Return the hidden name `.name.ending` for a while next to a file, cut where a file system takes no longer one."""
    cut = NAME_BYTES - len(f"..{ending}")
    whole = name.encode(errors="surrogateescape")
    return f".{name if len(whole) <= cut else whole[:cut].decode(errors='ignore')}.{ending}"


def write_text(path: Path, text: str) -> None:
    """Writes a small text file so that a reader sees the old one or the new one, never a part."""
    data = text.encode()
    with replacing(path, wanted=len(data)) as aside:
        aside.write_bytes(data)


def make_folder(folder: Path) -> Path:
    """Makes a folder and those above it, also where a link leads to one that is not there yet; returns it."""
    Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)
    return folder


def fsync_folder(folder: Path) -> None:
    """Makes a rename inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content(path: Path) -> bytes:
    """Return the bytes of a file; raise OSError for a pipe, a socket or a device, which might never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # of a pipe this returns at once
    with os.fdopen(descriptor, "rb") as file:
        _require_regular(os.fstat(descriptor).st_mode, path)
        return file.read()


def text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return the text of a file; raise OSError as `content`, and ValueError for bytes that are no such text."""
    return content(path).decode(encoding, errors)


def require_file(path: Path) -> Path:
    """Return the path; raise OSError where nothing is there, or a folder, a pipe, a socket or a device."""
    _require_regular(path.stat().st_mode, path)
    return path


def _require_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device, not a file", str(path))


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with require_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(content: Mapping[str, Any]) -> str:
    """Hex digest over what a JSON object says, however it is laid out: what tells one that was changed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def no_space_named(path: Path, wanted: int = 0) -> Iterator[None]:
    """Turns the system's `no space left` into a sentence that names the folder and the bytes."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        why = why_full(error, path)
        size = f"{path.name} needs {wanted:,} bytes" if wanted else f"{path.name} could not be written"
        raise DiskFull(f"{why} in {path.parent}: {size}. Free some space, and run the same command again") from error


def standing(folder: Path) -> Path:
    """The folder, or the nearest on the way to it that is there, where its links lead."""
    whole = Path(os.path.realpath(folder))
    return next(path for path in (whole, *whole.parents) if os.path.isdir(path))  # noqa: PTH112  # never raises


def require_space(folder: Path, wanted: int, what: str) -> None:
    """Raises DiskFull unless the file system below `folder` has `wanted` bytes free."""
    if lacks_inodes(folder):
        raise DiskFull(
            f"{what} needs new files in {folder}, but no inodes are left there (see `df -i`). Remove some files"
        )
    free = shutil.disk_usage(standing(folder)).free
    if free < wanted:
        raise DiskFull(f"{what} needs {wanted:,} bytes in {folder}, but {free:,} are free. Free some space first")
