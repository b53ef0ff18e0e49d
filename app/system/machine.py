"""A description of the machine from its files: GPUs and their driver, shared memory, disks, CPUs. It needs no torch.

`root` is the root of the file system. Tests give another folder.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from . import memory
from .durable import standing
from .findings import FAIL, PASS, WARN, Finding
from .storage import spoken

ROOT = Path("/")
# CUDA's major version: the oldest driver for Linux that serves all of its minor ones, from the table of
# "CUDA minor version compatibility" in the CUDA Toolkit's release notes
OLDEST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 0)}
LAST_TORCH_OF_CUDA_12 = "2.10"  # the last version whose default wheel contains CUDA 12


def gpus(root: Path = ROOT) -> list[str]:
    """Return the visible NVIDIA GPUs, usable or not: device nodes, else those that the kernel's driver lists."""
    nodes = sorted(f"/dev/{path.name}" for path in (root / "dev").glob("nvidia[0-9]*"))
    return nodes or sorted(path.name for path in (root / "proc/driver/nvidia/gpus").glob("*"))


def hidden(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether the user has hidden the GPUs from CUDA."""
    given = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    return given is not None and given.strip() in ("", "-1", "none", "None", "NoDevFiles")


def driver(root: Path = ROOT) -> str | None:
    """Return the version of the kernel's NVIDIA driver, such as 550.90.07, or None without one."""
    with suppress(OSError):
        first = (root / "proc/driver/nvidia/version").read_text(errors="replace").partition("\n")[0]
        if found := re.search(r"\s(\d{3,}\.\d+(?:\.\d+)?)\s", f"{first} "):
            return found[1]
    return None


def require_driver(version: str | None, cuda: str | None) -> Finding:
    """Return whether the kernel's driver is new enough for a wheel of CUDA `cuda`, such as 13.2."""
    if cuda is None:
        return Finding(
            FAIL, "driver", f"{version or 'none'}, but this torch is built without CUDA", "install torch's CUDA build"
        )
    major = int(cuda.partition(".")[0])
    oldest = OLDEST_DRIVER.get(major, OLDEST_DRIVER[max(OLDEST_DRIVER)])
    needs = f"this torch's CUDA {cuda} needs {oldest[0]} or newer"
    if version is None:
        return Finding(
            FAIL, "driver", f"none is loaded, but {needs}", "start the container with --gpus all, or load the driver"
        )
    ours = tuple(int(part) for part in version.split(".")[:2])
    if ours < oldest:
        return Finding(FAIL, "driver", f"{version} is too old: {needs}", _other_torch(ours))
    return Finding(PASS, "driver", f"{version}; {needs}")


def _other_torch(version: tuple[int, ...]) -> str:
    """Return what to do on a machine with an older driver."""
    if version >= OLDEST_DRIVER[12]:
        return (
            "use a host with a newer driver, an image whose tag ends in -cuda-12.8, or uv pip install "
            f"'torch=={LAST_TORCH_OF_CUDA_12}.*'"
        )
    return "use a host with a newer driver"


def unusable(root: Path | None = None, *, cuda: str | None) -> Finding | None:
    """Return a failed check if the machine has visible GPUs that this torch cannot use, else None.

    Call it if torch reports that CUDA is unavailable: torch gives no cause.
    """
    root = ROOT if root is None else root
    there = gpus(root)
    if not there or hidden():
        return None
    found = require_driver(driver(root), cuda)
    if found.verdict == PASS:
        return Finding(
            FAIL,
            "GPU",
            f"{', '.join(there)} exists, but CUDA does not start",
            "start the container with --gpus all and look at nvidia-smi, or use another host",
        )
    return Finding(FAIL, "GPU", f"{', '.join(there)} exists, but is unavailable: driver {found.says}", found.fix)


def require_usable(*, cuda: str | None) -> None:
    """Raise InputError if there is a GPU that this torch cannot use. A CPU would take hours at the price of a GPU."""
    if failure := unusable(cuda=cuda):
        raise InputError(
            f"{failure.says}. To fix it, {failure.fix}. `run.py doctor` reports more, and --device cpu runs without "
            "a GPU"
        )


def architecture(capability: tuple[int, int], built: Sequence[str]) -> Finding:
    """Return whether this torch has programs for a GPU of that compute capability."""
    major, minor = capability
    name, wheel = f"sm_{major}{minor}", f"this torch is built for {', '.join(built)}"
    own = {(int(found[1][:-1]), int(found[1][-1])) for arch in built if (found := re.fullmatch(r"sm_(\d+)[af]?", arch))}
    portable = [int(arch[8:]) for arch in built if re.fullmatch(r"compute_\d+", arch)]
    if any(there[0] == major and there[1] <= minor for there in own):
        return Finding(PASS, "device", f"{name}; {wheel}")
    if any(code <= 10 * major + minor for code in portable):
        return Finding(
            WARN, "device", f"{name} is not among the builds of this torch, so it compiles at the first use: {wheel}"
        )
    return Finding(FAIL, "device", f"{name} is unsupported here: {wheel}", "install another torch, or use another GPU")


def shared_memory(folder: Path = Path("/dev/shm")) -> int | None:
    """Return the bytes of the system's shared memory, or None if its size is not limited."""
    with suppress(OSError):
        found = os.statvfs(folder)
        return found.f_frsize * found.f_blocks
    return None


def disks(needs: Iterable[tuple[Path, int]]) -> list[tuple[Path, int, int]]:
    """Return (folder, bytes needed, bytes free) of each disk, given the bytes that each folder needs."""
    found: dict[int, tuple[Path, int]] = {}
    for folder, wanted in needs:
        there = standing(folder.expanduser())
        first, before = found.get(there.stat().st_dev, (there, 0))
        found[there.stat().st_dev] = (first, before + wanted)
    return [(folder, wanted, shutil.disk_usage(folder).free) for folder, wanted in found.values()]


def room(needs: Iterable[tuple[Path, int, int]]) -> list[Finding]:
    """Return whether each disk has room. Twice the bytes needed is a pass."""
    found = []
    for folder, wanted, free in needs:
        verdict = FAIL if wanted > free else WARN if 2 * wanted > free else PASS
        says = f"{spoken(wanted)} are needed on the disk of {folder}, {spoken(free)} are free"
        fix = "free some, or move --checkpoints or ISOSCALE_CACHE" if verdict == FAIL else ""
        found.append(Finding(verdict, "disk", says, fix))
    return found


def cpus(root: Path = ROOT) -> tuple[float, int]:
    """Return how many CPUs' time the process may use by its control groups, and on how many CPUs it may run."""
    able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(able), *_quotas(root)]), able


def _quotas(root: Path) -> list[float]:
    """Return the CPUs' time that each control group above the process allows, of version 2 and 1."""
    found = []
    for folder in memory.groups(root, "cpu"):
        with suppress(OSError, ValueError, ZeroDivisionError):
            if (folder / "cpu.max").exists():
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            if (allowed := float(quota) / float(period)) > 0:  # ValueError: "max"; -1: no limit
                found.append(allowed)
    return found


def boot_id(root: Path = ROOT) -> str | None:
    """Return an identifier of this machine since its last start, or None if the system has none."""
    with suppress(OSError):
        return (root / "proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            said = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True)
            return said.stdout.strip() or None
    return None


def cpu_name(root: Path = ROOT) -> str:
    """Return the processor's name from the kernel, or else from Python."""
    with suppress(OSError, StopIteration):
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or "CPU"
