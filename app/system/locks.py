"""Locks between processes on one machine: a file that one process holds, and that goes when it is released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Held
from .durable import make_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

_ATTEMPTS = 100  # at a folder that another holder removes at this very moment
_POLL = 0.02  # seconds


@contextmanager
def lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold an exclusive lock on a file; raise Held if another process holds it and `wait` is False.

    The system releases the lock of a process that ends, so a killed holder blocks nobody. At the end the file is
    removed, together with the folders that were made for it and are still empty.
    """
    from filelock import FileLock

    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    held = FileLock(path)
    _acquire(held, path, wait=wait)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        held.release()
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def _acquire(held: BaseFileLock, path: Path, *, wait: bool) -> None:
    from filelock import Timeout

    for attempt in range(_ATTEMPTS):
        try:
            make_folder(path.parent)
            held.acquire(blocking=wait, poll_interval=_POLL)
        except (FileNotFoundError, FileExistsError):
            if attempt == _ATTEMPTS - 1:
                raise
        except Timeout as error:
            raise Held(f"another process on this machine holds {path}. Wait for it to end") from error
        else:
            return
