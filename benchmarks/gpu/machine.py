"""What the sheet runs on: GPU, driver, versions, commit, cores. It needs no torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from app.system import checkout, machine

_LIBRARIES = ("torch", "triton", "torchvision", "timm", "transformers", "accelerate", "numpy", "pytest", "pytest-xdist")
_CUDA = """import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
number, name, size = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
for code in (cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(number), 0), cuda.cuDeviceGetName(name, 256, number),
             cuda.cuDeviceTotalMem_v2(ctypes.byref(size), number)):
    assert code == 0, code
print(name.value.decode())
print(size.value)
"""  # prints the name and the bytes of the first GPU that CUDA shows, which may be a slice of one
_LARGE = 60e9  # bytes of a GPU on which seven parts run at the same time
_ASKED = ("name", "driver_version", "memory.total", "memory.used", "clocks.max.sm", "power.limit")


def described(root: Path) -> dict[str, Any]:
    """Return the description of the machine, without a name or address of the host."""
    versions = {}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[library] = version(library)
    return {
        "gpu": visible(), "gpus": list(gpus()), "cpu": machine.cpu_name(), "cores": machine.cpus()[0],
        "versions": versions, "python": sys.version.split()[0], "commit": checkout.commit(root),
        "compilers": [name for name in ("gcc", "g++", "clang") if shutil.which(name)],
        "shared_memory_bytes": machine.shared_memory(),
    }  # fmt: skip


def one_gpu() -> dict[str, str]:
    """Return the variables with which a process sees one GPU only: the first that is visible here."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return {"CUDA_VISIBLE_DEVICES": first, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # the order of nvidia-smi


@cache
def gpus() -> tuple[dict[str, str], ...]:
    """Return what nvidia-smi reports of the GPU that is measured, or nothing without the tool.

    It reports the complete GPU where a slice of one (MIG) is measured.
    """
    device = one_gpu()["CUDA_VISIBLE_DEVICES"]
    one = [] if device.startswith("MIG") else ["-i", device]
    command = ["nvidia-smi", *one, f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        lines = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.splitlines()
        return tuple(dict(zip(_ASKED, map(str.strip, line.split(",")), strict=False)) for line in lines if line)
    return ()


@cache
def visible() -> dict[str, Any]:
    """Return the name and the bytes of the GPU that is measured: as CUDA reports them, else as nvidia-smi does.

    Without a GPU, it is empty.
    """
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        shown = subprocess.run(
            [sys.executable, "-S", "-c", _CUDA], env=os.environ | one_gpu(), capture_output=True, text=True, timeout=20,
            check=True,
        ).stdout  # fmt: skip
        name, size = shown.splitlines()
        return {"name": name, "memory_bytes": int(size)}
    for found in gpus():
        megabytes = re.match(r"\d+", found.get("memory.total", ""))
        return {"name": found["name"], "memory_bytes": int(megabytes[0]) << 20 if megabytes else 0}
    return {}


def is_large() -> bool:
    """Return whether seven parts fit on the GPU at the same time."""
    return bool(visible().get("memory_bytes", 0) >= _LARGE)


def short_name() -> str:
    """Return the GPU's name for a file, such as `nvidia-h200`, or `cpu` without one."""
    return re.sub(r"[^a-z0-9]+", "-", visible().get("name", "cpu").lower()).strip("-")


def workers() -> int:
    """Return the number of processes in which tests run, each of which has memory on the GPU."""
    return max(1, min(6 if is_large() else 2, (os.cpu_count() or 1) - 2))
