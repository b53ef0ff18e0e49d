"""What the sheet runs on: GPU, driver, versions, commit, cores. It needs no torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from app.system import checkout, machine

_LIBRARIES = ("torch", "triton", "torchvision", "timm", "transformers", "accelerate", "numpy", "pytest", "pytest-xdist")
_ASKED = ("name", "driver_version", "memory.total", "memory.used", "clocks.max.sm", "power.limit")


def described(root: Path) -> dict[str, Any]:
    """Return the description of the machine, without a name or address of the host."""
    versions = {}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[library] = version(library)
    return {
        "gpus": gpus(), "cpu": machine.cpu_name(), "cores": machine.cpus()[0], "versions": versions,
        "python": sys.version.split()[0], "commit": checkout.commit(root),
        "compilers": [name for name in ("gcc", "g++", "clang") if shutil.which(name)],
        "shared_memory_bytes": machine.shared_memory(),
    }  # fmt: skip


def gpus() -> list[dict[str, str]]:
    """Return what the driver's tool reports of each GPU, or nothing without the tool."""
    command = ["nvidia-smi", f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return [dict(zip(_ASKED, map(str.strip, line.split(",")), strict=False)) for line in shown.splitlines() if line]
    return []


def is_large() -> bool:
    """Return whether several parts fit on the first GPU at the same time: it has 64 GB or more."""
    found = gpus()
    megabytes = re.match(r"\d+", found[0].get("memory.total", "")) if found else None
    return megabytes is not None and int(megabytes[0]) >= 60_000


def short_name() -> str:
    """Return the first GPU's name for a file, such as `nvidia-h200`, or `cpu` without one."""
    found = gpus()
    return re.sub(r"[^a-z0-9]+", "-", found[0]["name"].lower()).strip("-") if found else "cpu"


def workers() -> int:
    """Return the number of processes in which tests run."""
    return max(1, min(6, (os.cpu_count() or 1) - 2))
