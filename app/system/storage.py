"""Disk usage as text for a reader, and the removal of files, links and folders."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def spoken(count: int) -> str:
    """Return a number of bytes in a suitable unit: 184.3 MB, 12.0 kB, 7 bytes."""
    found = next(((name, unit) for name, unit in _UNITS if count >= unit), None)
    return f"{count / found[1]:,.1f} {found[0]}" if found else f"{count} bytes"


def spoken_alike(counts: Sequence[int]) -> list[str]:
    """Return numbers of bytes to be read together, all in the unit that suits the largest of them."""
    name, unit = next(((name, unit) for name, unit in _UNITS if max(counts, default=0) >= unit), ("bytes", 1.0))
    digits = {"GB": 2, "bytes": 0}.get(name, 1)
    return [f"{count / unit:,.{digits}f} {name}" for count in counts]


def taken(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder. A link counts 0 and is not followed."""
    try:
        about = path.lstat()
    except OSError:
        return 0
    if stat.S_ISDIR(about.st_mode):
        with suppress(OSError), os.scandir(path) as inside:
            return sum(taken(Path(entry.path)) for entry in inside)
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it exists. The target of a link is not changed."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        if os.path.lexists(path):  # something else within it vanished meanwhile
            shutil.rmtree(path)
