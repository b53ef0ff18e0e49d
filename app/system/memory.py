"""The host's memory: free and total within the limits of control groups, and the memory of this process."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# of malloc.h, for mallopt: which blocks are mapped, each by itself, and when the heap's end is given back
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_LARGEST = (1 << 30, 1 << 25)  # bytes of a block that the heap contains; some versions accept 32 MiB at most
# of a control group, version 2 and 1: limit, use, and the part of it that can be dropped
_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free(root: Path = Path("/")) -> int:
    """Return the bytes that can be used without swapping, or 0 if the system does not report them."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 0
    return max(0, min([available, *_left(root)]))


def total(root: Path = Path("/")) -> int:
    """Return the bytes that the process may use if all are free, independent of other processes."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(most for folder, files in _groups(root) for most in _limit(folder / files[0]))])


def peak(root: Path = Path("/")) -> int:
    """Return the largest number of resident bytes of this process so far.

    On Linux it is read from the process's status, because getrusage there also counts the program that this process ran
    before.
    """
    with suppress(OSError, StopIteration):
        lines = (root / "proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of each control group above the process that has a controller, of version 2 and 1."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for kind in {"", controller} & set(controllers.split(",")):
                mount = root / "sys/fs/cgroup" / kind
                group = mount / path.lstrip("/")
                for folder in (group, *group.parents):  # in a container the path may be the host's: then the mount
                    if folder.is_relative_to(mount):
                        yield folder


def keep() -> None:
    """Let the process keep freed memory for its next step, if the C library is glibc.

    By default glibc returns large blocks to the system and requests them again, with a page fault for every page. That
    takes a tenth of a step's time on a CPU.
    """
    with suppress(OSError, AttributeError):  # AttributeError: another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
        any(libc.mallopt(_MMAP_THRESHOLD, size) for size in _LARGEST)


def _left(root: Path) -> Iterator[int]:
    """Yield the bytes that each control group above the process still allows, or nothing without a limit."""
    for folder, (limit, use, droppable) in _groups(root):
        with suppress(OSError):
            for most in _limit(folder / limit):
                yield most - int((folder / use).read_text()) + _droppable(folder, droppable)


def _droppable(folder: Path, name: str) -> int:
    """Return the bytes of a control group's use that can be dropped, or 0 if it does not report them."""
    with suppress(OSError, ValueError):
        return int(dict(line.split() for line in (folder / "memory.stat").read_text().splitlines()).get(name, 0))
    return 0


def _groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """Yield the folder of each control group above the process, and the names of its files."""
    for folder in groups(root, "memory"):
        old = folder.is_relative_to(root / "sys/fs/cgroup/memory")
        yield folder, _FILES["memory" if old else ""]


def _limit(path: Path) -> list[int]:
    """Return the limit that a file states, as a list that is empty if there is none."""
    with suppress(OSError, ValueError):  # ValueError: it is "max"
        return [int(path.read_text())]
    return []
