"""The host: memory, CPU quota, shared memory, disks, and whether folders are writable."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..system import checks, machine
from ..system import home as kept_in
from ..system.durable import standing
from ..system.findings import FAIL, PASS, Finding

_CACHE, _RUNS = 2 * 10**9, 3 * 10**9  # bytes of the study's datasets, and of states and weights of its largest run
_TRIED = 2**20  # bytes written to check that a folder is writable


def look(root: Path, checkpoints: Path) -> list[Finding]:
    """Return all checks of the host."""
    folders = {"cache": (kept_in.root(), "ISOSCALE_CACHE"), "checkpoints": (checkpoints, "--checkpoints")}
    return [
        *checks.host(root),
        checks.shared_memory(machine.shared_memory(root / "dev/shm"), len(machine.gpus(root))),
        *machine.room(machine.disks([(folders["cache"][0], _CACHE), (checkpoints, _RUNS)])),
        *(writable(name, folder, by) for name, (folder, by) in folders.items()),
    ]


def writable(name: str, folder: Path, by: str) -> Finding:
    """Return whether a file of 1 MiB can be written to a folder, or to its parent if the folder does not exist yet.

    The file is removed afterwards.
    """
    there = standing(folder.expanduser())
    fix = f"fix it, or choose another with {by}"
    if blocked := _in_the_way(Path(os.path.realpath(folder.expanduser()))):
        return Finding(FAIL, name, f"{blocked} is not a folder", fix)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(_TRIED))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Finding(FAIL, name, f"{there} cannot be written: {error.strerror}", fix)
    return Finding(PASS, name, f"{folder} can be written")


def _in_the_way(folder: Path) -> Path | None:
    """Return the path that is at the folder's place, or at that of a parent, but is not a folder, or None."""
    above = (folder, *folder.parents)
    return next((path for path in above if os.path.exists(path) and not os.path.isdir(path)), None)  # noqa: PTH110, PTH112
