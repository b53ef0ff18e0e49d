"""Locks between processes on one machine: a file that one process locks, and that is removed when it is released."""

from __future__ import annotations

import errno
import fcntl
import glob
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DiskFull, Held
from .durable import make_folder, text, write_text

if TYPE_CHECKING:
    from filelock import BaseFileLock

_ATTEMPTS = 100  # attempts, if another holder is just removing the folder
_HELD = (errno.EAGAIN, errno.EACCES)
_POLL = 0.02  # seconds
_LOOK = 0.1  # seconds within which a process that only checks a lock, as `is_held` does, releases it
_REPORTED_AGAIN = 600.0  # seconds


@contextmanager
def lock(path: Path, *, wait: bool, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Lock a file exclusively within the context. Raise Held if another process has the lock and `wait` is False.

    While it waits, `waiting` is called at first and every ten minutes, with the lock's holder and the time since when.

    The system releases the lock of a process that ends, so a killed holder blocks nobody. At the end the file is
    removed, together with the folders that were made for it and are still empty.
    """
    from filelock import FileLock

    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    held, holder = FileLock(path), path.with_name(f"{path.name}.by")
    if not waiting:
        _acquire(held, path, timeout=-1 if wait else _LOOK)
    elif not _acquired(held, path, timeout=_LOOK):
        waiting(_who(holder))
        while not _acquired(held, path, timeout=_REPORTED_AGAIN):
            waiting(_who(holder))
    try:
        if waiting:
            _sign(holder)
        yield
    finally:
        holder.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        held.release()
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def is_held(path: Path) -> bool:
    """Return whether another process on this machine has a lock now. Nothing is made or removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:  # other errors come from a file system without locks
        return error.errno in _HELD
    else:
        return False
    finally:
        os.close(descriptor)


def _holder_of(path: Path, table: Path = Path("/proc/locks")) -> str:
    """Return the ID of the process that has a lock, as Linux lists it, or an empty text if it is unknown."""
    with suppress(OSError, ValueError, IndexError):
        about = path.stat()
        file = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
        for line in table.read_text().splitlines():
            words = line.split()  # such as: 1: FLOCK ADVISORY WRITE 4711 08:02:131 0 EOF
            if words[1] == "FLOCK" and words[5] == file and int(words[4]) > 0:
                return f" (process {int(words[4])})"
    return ""


def _sign(holder: Path) -> None:
    """Write the name of the lock's holder for those who wait. If the disk is full, only the name is missing.

    Incomplete files that a killed holder left are removed.
    """
    with suppress(OSError, DiskFull):
        for left in holder.parent.glob(f".{glob.escape(holder.name)}.*.aside"):
            left.unlink(missing_ok=True)
        write_text(holder, json.dumps({"process": os.getpid(), "host": platform.node(), "since": time.time()}))


def _who(holder: Path) -> str:
    """Return who has a lock, and since when, as far as it is known."""
    with suppress(OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        found = json.loads(text(holder))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["since"]))
        where = "" if found["host"] == platform.node() else f" on {found['host']}"
        return f"process {int(found['process'])}{where}, since {since}"
    return "another process"


def _acquired(held: BaseFileLock, path: Path, *, timeout: float) -> bool:
    try:
        _acquire(held, path, timeout=timeout)
    except Held:
        return False
    return True


def _acquire(held: BaseFileLock, path: Path, *, timeout: float) -> None:
    from filelock import Timeout

    for attempt in range(_ATTEMPTS):
        try:
            make_folder(path.parent)
            held.acquire(timeout=timeout, poll_interval=_POLL)
        except (FileNotFoundError, FileExistsError):
            if attempt == _ATTEMPTS - 1:
                raise
        except Timeout as error:
            raise Held(
                f"another process on this machine{_holder_of(path)} has locked {path}. Wait until it ends"
            ) from error
        else:
            return
