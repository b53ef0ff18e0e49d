"""The checks of a machine for a run, shared by `doctor` and `plan`.

Memory and CPUs are limited by the control groups of the process, not only by the host.
"""

from __future__ import annotations

from pathlib import Path

from . import machine
from . import memory as of_host
from .findings import FAIL, PASS, WARN, Finding
from .storage import spoken

_ENOUGH = 4 * 10**9  # bytes of host memory that torch, the libraries and a small dataset take
_SHARED = 2**30  # bytes that ranks on several GPUs may need
_ON_GPU = 8 * 10**9  # bytes: weights, moments and a micro-batch of 8 images of the study's largest model, about
BF16_UNITS = (8, 0)  # compute capability; older GPUs emulate bf16, which torch.cuda.is_bf16_supported counts too
TF32 = (8, 0)
TRITON = (8, 0)  # the least that Triton and our kernels support
COMPILES = (7, 0)  # torch.compile refuses older GPUs
_ASK = "use a host with more memory, or free some"
Capability = tuple[int, int]


def host(root: Path = Path("/")) -> list[Finding]:
    """Return the checks of the host: memory and CPUs within its control groups."""
    return [enough(of_host.free(root), of_host.total(root)), cpus(*machine.cpus(root))]


def enough(free: int, total: int) -> Finding:
    """Return whether the host has room for the program and a small dataset."""
    found = memory(_ENOUGH, free, total)
    return found if found.verdict == PASS else Finding(WARN, found.about, found.says, _ASK)


def memory(wanted: int, free: int, total: int, *, tried: bool = False) -> Finding:
    """Return whether `wanted` bytes fit.

    If `tried`, they fit, since a trial on the device is better than an estimate.
    """
    if tried:
        return Finding(PASS, "memory", f"the micro-batch was tried and fits. {spoken(free)} were free")
    says = f"{spoken(wanted)} are needed, {spoken(free)} of {spoken(total)} are free"
    if wanted > total:
        return Finding(FAIL, "memory", f"{says}. Use a smaller --size or --micro-batch-size")
    return Finding(WARN if wanted > free else PASS, "memory", says)


def cpus(allowed: float, there: int, *, threads: int | None = None) -> Finding:
    """Return whether the process may use enough CPUs for its threads.

    Without `threads`, it has one for each visible CPU.
    """
    wanted = there if threads is None else threads
    if allowed < min(wanted, there):
        fit = max(1, round(allowed))
        says = f"the quota is {allowed:.1f} of {there} CPUs, so {wanted} threads would wait"
        return Finding(WARN, "CPUs", says, f"train with --threads {fit}")
    quota = "without a quota below that" if allowed >= there else f"with a quota of {allowed:.1f}"
    return Finding(PASS, "CPUs", f"{there}, {quota}")


def shared_memory(size: int | None, gpus: int = 0, *, ranks: int | None = None) -> Finding:
    """Return whether ranks on several GPUs can communicate through /dev/shm, which a single process does not need.

    `ranks` is their number, if it is known.
    """
    if size is None or size >= _SHARED:
        return Finding(PASS, "shared memory", "no limit" if size is None else f"{spoken(size)} in /dev/shm")
    there = f"{spoken(size)} in /dev/shm"
    if ranks == 1:
        return Finding(PASS, "shared memory", f"{there}, and one process uses none")
    fix = "start the container with --ipc=host or --shm-size=8g"
    if max(gpus, ranks or 0) > 1:
        return Finding(FAIL, "shared memory", f"{there}: {ranks or gpus} ranks on GPUs talk through it", fix)
    return Finding(WARN, "shared memory", f"{there}: enough for one process, not for ranks on several GPUs", fix)


def gpu_memory(free: int, total: int) -> Finding:
    """Return whether no other process uses the GPU, and whether it has room for the study's largest model."""
    says = f"{spoken(free)} of {spoken(total)} are free on the GPU"
    if 2 * free < total:
        return Finding(WARN, "GPU memory", f"{says}: other processes use it", "list them with nvidia-smi")
    if total < _ON_GPU:
        lacks = f"{says}, less than the {_ON_GPU / 1e9:.0f} GB that the study's 50M models need"
        return Finding(WARN, "GPU memory", lacks, "train smaller sizes, or with --micro-batch-size 1 --checkpointing")
    return Finding(PASS, "GPU memory", says)


def units(capability: Capability) -> list[Finding]:
    """Return what a GPU of a compute capability lacks: units for bf16 and TF32, or support for Triton's kernels."""
    major, minor = capability
    name = f"compute capability {major}.{minor}"
    found = []
    if capability < BF16_UNITS:
        says = f"none ({name}; 8.0 has them): --precision bf16 is emulated and slow, and auto is fp32"
        found.append(Finding(WARN, "bf16 units", says, "train in fp32"))
    if capability < TF32:
        found.append(
            Finding(WARN, "TF32", f"none ({name}; 8.0 has it): --precision tf32 is unavailable", "train in fp32")
        )
    if capability < TRITON:
        without = "torch.compile and " if capability < COMPILES else ""
        says = f"{name} is below 8.0: {without}the fused attention path are unavailable"
        says = says if without else says.replace(" are ", " is ")
        found.append(Finding(WARN, "Triton kernels", says, "omit --attention-path, so that another exact path is used"))
    return found or [Finding(PASS, "units", f"bf16, TF32 and Triton's kernels ({name})")]
