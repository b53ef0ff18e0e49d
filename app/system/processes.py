"""The processes of this machine: which process started which, and the end of one with its parent."""

from __future__ import annotations

import ctypes
import signal
import sys
from contextlib import suppress
from pathlib import Path

_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG in Linux's prctl.h


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends. Other systems cannot."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)


def tree(root: int) -> list[int]:
    """Return the IDs of a process and of all its descendants, the oldest first.

    Where the system does not list its processes, it is the process alone.
    """
    found, parents = [root], _parents()
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def _parents() -> dict[int, int]:
    """Return the parent of each process, in the order of process IDs."""
    found = {}
    for path in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name)):
        with suppress(OSError, ValueError, IndexError):
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return found
