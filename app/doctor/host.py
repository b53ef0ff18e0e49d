"""The host: memory, CPUs' quota, shared memory, disks, and folders that can be written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..system import home as kept_in
from ..system import machine
from ..system import memory as of_host
from ..system.durable import standing
from ..system.findings import FAIL, PASS, WARN, Finding

_MEMORY = 4 * 10**9  # bytes that torch, the libraries and a small dataset take
_SHARED = 2**30  # bytes that ranks on several GPUs may want
_CACHE, _RUNS = 2 * 10**9, 3 * 10**9  # bytes: the study's datasets; states and weights of its largest run
_TRIED = 2**20  # bytes written to see whether a folder takes them


def look(root: Path, checkpoints: Path) -> list[Finding]:
    """All lines of the host."""
    folders = {"cache": (kept_in.root(), "ISOSCALE_CACHE"), "checkpoints": (checkpoints, "--checkpoints")}
    return [
        memory(of_host.free(root), of_host.total(root)),
        cpus(*machine.cpus(root)),
        shared_memory(machine.shared_memory(root / "dev/shm"), len(machine.gpus(root))),
        *machine.room(machine.disks([(folders["cache"][0], _CACHE), (checkpoints, _RUNS)])),
        *(writable(name, folder, by) for name, (folder, by) in folders.items()),
    ]


def memory(free: int, total: int) -> Finding:
    """Whether the host has room for the program."""
    says = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free"
    if free < _MEMORY:
        return Finding(WARN, "memory", f"{says}, fewer than {_MEMORY / 1e9:.0f}", "take a host with more, or free some")
    return Finding(PASS, "memory", says)


def cpus(allowed: float, there: int) -> Finding:
    """Whether the container may use the CPUs that it sees."""
    if allowed < there:
        threads = max(1, round(allowed))
        says = f"{allowed:.1f} CPUs' time is allowed on {there} CPUs: one thread for each would wait"
        return Finding(WARN, "CPUs", says, f"train with --threads {threads}")
    return Finding(PASS, "CPUs", f"{there}, without a quota below that")


def shared_memory(size: int | None, gpus: int) -> Finding:
    """Whether ranks on several GPUs can talk through /dev/shm; one process needs none."""
    if size is None or size >= _SHARED:
        return Finding(PASS, "shared memory", "no limit" if size is None else f"{size / 1e6:,.0f} MB in /dev/shm")
    says, mend = f"{size / 1e6:,.1f} MB in /dev/shm", "start the container with --ipc=host or --shm-size=8g"
    if gpus > 1:
        return Finding(FAIL, "shared memory", f"{says}: {gpus} GPUs talk through it", mend)
    return Finding(WARN, "shared memory", f"{says}: enough for one process, not for ranks on several GPUs", mend)


def writable(name: str, folder: Path, by: str) -> Finding:
    """Whether a file of 1 MiB can be put into a folder, or where the folder would be made; it is removed again."""
    there = standing(folder.expanduser())
    mend = f"mend it, or choose another by {by}"
    if blocked := _in_the_way(Path(os.path.realpath(folder.expanduser()))):
        return Finding(FAIL, name, f"{blocked} is no folder", mend)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(_TRIED))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Finding(FAIL, name, f"{there} cannot be written: {error.strerror}", mend)
    return Finding(PASS, name, f"{folder} can be written")


def _in_the_way(folder: Path) -> Path | None:
    """What stands at the folder's place, or at that of one above it, and is none."""
    above = (folder, *folder.parents)
    return next((path for path in above if os.path.exists(path) and not os.path.isdir(path)), None)  # noqa: PTH110, PTH112
