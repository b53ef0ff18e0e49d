"""The energy that NVIDIA GPUs used, read from their driver's counters if `nvidia-ml-py` is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_MILLIJOULES = 3.6e9  # millijoules of a kWh

Counter = Callable[[], float | None]


def counter(uuids: Sequence[str], *, runs: int = 1) -> Counter:
    """Return a function that returns the energy in kWh that these GPUs used together since now, or None if unknown.

    Of `runs` runs on the same GPUs, each is given an equal share. The energy is unknown without GPUs, without
    `nvidia-ml-py`, and for GPUs older than Volta, which have no counter.
    """
    began = _millijoules(uuids)

    def since() -> float | None:
        now = None if began is None else _millijoules(uuids)
        return None if began is None or now is None else round(max(0, now - began) / runs / _MILLIJOULES, 6)

    return since


def gpus(device: torch.device, ranks: int) -> list[str]:
    """Return the UUIDs of the GPUs that compute, as the driver names them. Empty without CUDA or with several machines.

    On one machine, each rank has the GPU of its number.
    """
    import torch

    if device.type != "cuda" or torch.version.hip or int(os.environ.get("LOCAL_WORLD_SIZE", ranks)) != ranks:
        return []
    devices = [device] if ranks == 1 else [torch.device("cuda", rank) for rank in range(ranks)]
    return [f"GPU-{torch.cuda.get_device_properties(each).uuid}" for each in devices]


def _millijoules(uuids: Sequence[str]) -> int | None:
    """Return the sum of the GPUs' energy counters since their driver was loaded, in millijoules."""
    try:
        import pynvml
    except ImportError:
        return None
    return _read(pynvml, uuids) if uuids else None


def _read(nvml: Any, uuids: Sequence[str]) -> int | None:
    try:
        nvml.nvmlInit()
        try:
            handles = [nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
            return sum(int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) for handle in handles)
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError:
        return None
