"""The limits of each kind of device: numbers, mixed precision, pinning, compiling, ranks, and how memory is asked for.

MPS and XPU follow torch's documentation (docs/source/notes/mps.md, torch.xpu) and are untested on hardware. AMD's GPUs
are `cuda` devices of a torch with `torch.version.hip`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from . import machine, memory, neighbours

_CONTEXT = 1 << 29  # bytes that CUDA and its libraries take in each process on a device, about


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a kind of device can do."""

    largest_float: torch.dtype  # of a tensor there; creating a larger one raises TypeError on MPS
    mixed: tuple[str, ...]  # precisions of autocast
    events: bool  # whether CUDA's events time its work
    pins: bool  # whether copies from pinned host memory run while the host goes on
    fits_by_trial: bool  # whether too large a batch fails at once; elsewhere the system swaps or kills the process
    backend: str | None  # in which ranks exchange gradients; None: one process only
    operations: float  # per second at most, a CPU's per thread
    compiles_after: float  # seconds of a run below which compiling never pays
    room: Callable[[torch.device], tuple[int, int]]  # free and total bytes
    peak: Callable[[torch.device], int]  # bytes, or those in use now where no peak is kept


def _host(_: torch.device) -> tuple[int, int]:
    return _share(memory.free(), memory.total())


def _share(free: int, total: int) -> tuple[int, int]:
    """Return the free and the total bytes that one of the runs on a device may use."""
    if (runs := neighbours.here().on_device) == 1:
        return free, total
    return min(free, total // runs), total // runs


def _apple(_: torch.device) -> tuple[int, int]:
    """Return the memory below which macOS does not swap, without what this process has. The host shares it."""
    total = torch.mps.recommended_max_memory()
    return _share(max(0, total - torch.mps.driver_allocated_memory()), total)


def _cuda(device: torch.device) -> tuple[int, int]:
    free, total = torch.cuda.mem_get_info(device)
    if (most := _limit(device, total)) is None:
        return free, total
    return max(0, min(free, most - torch.cuda.memory_reserved(device))), most


def _xpu(device: torch.device) -> tuple[int, int]:
    return _share(*torch.xpu.mem_get_info(device))


_NEVER = float("inf")
_LIMITS = {
    "cpu": Limits(
        largest_float=torch.float64, mixed=("bf16", "fp16"), events=False, pins=False, fits_by_trial=False,
        backend="gloo",
        operations=1e11, compiles_after=3600.0, room=_host, peak=lambda _: memory.peak(),
    ),
    "cuda": Limits(
        largest_float=torch.float64, mixed=("bf16", "fp16"), events=True, pins=True, fits_by_trial=True,
        backend="cpu:gloo,cuda:nccl", operations=4e14, compiles_after=120.0, room=_cuda,
        peak=torch.cuda.max_memory_allocated,
    ),
    "mps": Limits(
        largest_float=torch.float32, mixed=("bf16", "fp16"), events=False, pins=False, fits_by_trial=False,
        backend=None,
        operations=1e13, compiles_after=_NEVER, room=_apple, peak=lambda _: torch.mps.driver_allocated_memory(),
    ),
    "xpu": Limits(  # Arc has no float64
        largest_float=torch.float32, mixed=("bf16", "fp16"), events=False, pins=False, fits_by_trial=False,
        backend=None,
        operations=1e14, compiles_after=_NEVER, room=_xpu,
        peak=torch.xpu.max_memory_allocated,
    ),
}  # fmt: skip
KINDS = tuple(_LIMITS)


def limits(device: torch.device) -> Limits:
    """Return the limits of a device's kind."""
    return _LIMITS[device.type]


def best() -> str:
    """Return the kind of device that `--device auto` uses: CUDA (or ROCm), else MPS, else XPU, else the CPU."""
    there = {"cuda": torch.cuda, "mps": torch.backends.mps, "xpu": torch.xpu}
    return next((kind for kind, module in there.items() if module.is_available()), "cpu")


def in_float64(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return the float32 result of a function of float64 tensors. It is computed as `through_float64` does."""
    return through_float64(lambda *given: function(*(each.double() for each in given)).float(), *tensors)


def through_float64(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return the result of a function that computes in float64 and returns a tensor of another type.

    It is computed on the tensors' device, or on the CPU if the device has no float64.
    """
    device = tensors[0].device
    if limits(device).largest_float != torch.float64:
        return on_host(function, *tensors).to(device)
    return function(*tensors)


def on_host(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return the result of a function of tensors, computed on the CPU."""
    return function(*(each.cpu() for each in tensors))


def name(device: torch.device) -> str:
    """Return the name of a GPU, or of the processor that MPS and a CPU belong to."""
    named = {"cuda": torch.cuda.get_device_name, "xpu": torch.xpu.get_device_name}
    return str(named[device.type](device)) if device.type in named else machine.cpu_name()


def wait(device: torch.device) -> None:
    """Wait until the device has finished its work. A CPU always has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def forget_peak(device: torch.device) -> None:
    """Reset the peak of a device's memory, where torch keeps one: on CUDA, ROCm and XPU."""
    if device.type in ("cuda", "xpu"):
        {"cuda": torch.cuda, "xpu": torch.xpu}[device.type].reset_peak_memory_stats(device)


def empty_cache(device: torch.device) -> None:
    """Return the memory that torch keeps for reuse to the device."""
    if device.type != "cpu":
        {"cuda": torch.cuda, "mps": torch.mps, "xpu": torch.xpu}[device.type].empty_cache()


def free_at_peak(device: torch.device) -> tuple[int, int]:
    """Return the bytes of a CUDA device that were free when torch had reserved most, since `forget_peak`, and all.

    What other processes and libraries have on the device now is not free. A run next to others has its share at most.
    """
    free, total = torch.cuda.mem_get_info(device)
    peak = torch.cuda.max_memory_reserved(device)
    left = free + torch.cuda.memory_reserved(device) - peak
    if (most := _limit(device, total)) is None:
        return left, total
    return min(left, most - peak), most


def in_use(device: torch.device) -> tuple[int, int]:
    """Return the bytes of a CUDA device, and those in use now without what torch keeps for reuse.

    Of a run next to others, both are those of its share.
    """
    free, total = torch.cuda.mem_get_info(device)
    own = torch.cuda.memory_allocated(device)
    if (most := _limit(device, total)) is None:
        return total, total - free - torch.cuda.memory_reserved(device) + own
    return most, own


def take_share(device: torch.device, *, taken: int | None = None) -> None:
    """Limit what this process reserves on a CUDA device that several runs use: an equal share for each of them.

    `taken` is what another process of the same run has allocated there; None: there is no other process. Each process
    also has a context of about 512 MiB. Raises InputError if nothing is left.
    """
    runs = neighbours.here().on_device
    if device.type != "cuda" or runs == 1:
        return
    total = torch.cuda.mem_get_info(device)[1]
    share = total // runs - _CONTEXT - (0 if taken is None else taken + _CONTEXT)
    if share <= 0:
        raise InputError(
            f"{runs} runs at once are too many for {device}, which has {total / 2**30:.1f} GiB of memory. Use a "
            "smaller --jobs-per-device"
        )
    torch.cuda.set_per_process_memory_fraction(share / total, device.index)


def _limit(device: torch.device, total: int) -> int | None:
    """Return the bytes that this process may reserve on a CUDA device, or None for a run that has it alone."""
    if neighbours.here().on_device == 1:
        return None
    return int(total * torch.cuda.get_per_process_memory_fraction(device.index))


def is_amd() -> bool:
    """Return whether this torch is built for ROCm, whose GPUs it names `cuda`."""
    return torch.version.hip is not None
