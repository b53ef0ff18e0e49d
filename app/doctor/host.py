"""The host: memory, CPUs' quota, shared memory, disks, and folders that can be written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..system import checks, machine
from ..system import home as kept_in
from ..system.durable import standing
from ..system.findings import FAIL, PASS, Finding

_CACHE, _RUNS = 2 * 10**9, 3 * 10**9  # bytes: the study's datasets; states and weights of its largest run
_TRIED = 2**20  # bytes written to see whether a folder takes them


def look(root: Path, checkpoints: Path) -> list[Finding]:
    """All lines of the host."""
    folders = {"cache": (kept_in.root(), "ISOSCALE_CACHE"), "checkpoints": (checkpoints, "--checkpoints")}
    return [
        *checks.host(root),
        checks.shared_memory(machine.shared_memory(root / "dev/shm"), len(machine.gpus(root))),
        *machine.room(machine.disks([(folders["cache"][0], _CACHE), (checkpoints, _RUNS)])),
        *(writable(name, folder, by) for name, (folder, by) in folders.items()),
    ]


def writable(name: str, folder: Path, by: str) -> Finding:
    """Whether a file of 1 MiB can be put into a folder, or where the folder would be made; it is removed again."""
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
    """What stands at the folder's place, or at that of one above it, and is none."""
    above = (folder, *folder.parents)
    return next((path for path in above if os.path.exists(path) and not os.path.isdir(path)), None)  # noqa: PTH110, PTH112
