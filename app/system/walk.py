"""The content of a folder and of those below it, also behind links.

Each folder is visited once, even if links form loops.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError


def visible(name: str) -> bool:
    """Return whether a name is not hidden."""
    return not name.startswith(".")


def entries(
    root: Path, looked_at: Callable[[str], bool] = visible, refused: Callable[[OSError], None] = lambda _: None
) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder and of those below it, by name in each folder, and folders behind links last.

    `looked_at` decides by name which entries count. A folder that no longer exists or cannot be read counts as empty.
    `refused` is called with the error of a folder that cannot be read.
    """
    linked, seen = deque([os.fspath(root)]), set()
    while linked:
        inside = [linked.popleft()]
        while inside:
            at = inside.pop()
            if (place := _place(at)) is None or place in seen:
                continue
            seen.add(place)
            for entry in _listed(at, looked_at, refused):
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    inside.append(entry.path)
                elif entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112  # never raises
                    linked.append(entry.path)


def _place(at: str) -> tuple[int, int] | None:
    with suppress(OSError):
        about = os.stat(at)  # noqa: PTH116
        return about.st_dev, about.st_ino
    return None


def _listed(at: str, looked_at: Callable[[str], bool], refused: Callable[[OSError], None]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(at) as found:
            return sorted((entry for entry in found if looked_at(entry.name)), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        refused(error)
        return []


def require_files(root: Path) -> None:
    """Raise InputError for a pipe, a socket or a device below a folder of data, since reading it might never end."""
    for entry in entries(root):
        if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
            continue
        with suppress(OSError):
            mode = entry.stat().st_mode  # of where a link leads
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                shown = os.path.relpath(entry.path, root)
                raise InputError(f"{shown!r} in {root} is a pipe, a socket or a device, not a file. Remove it")
