"""Where a run is computed: device, precision, threads, memory; nothing else asks for the device's kind."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.errors import InputError

_DEVICES = ("cuda", "mps", "cpu")
_SHARE_FOR_DATA = 0.5  # of the device's free memory; the rest is for the model and its activations


@dataclass(frozen=True)
class Place:
    """One device and how it computes; `precision` is resolved to fp32 or bf16."""

    device: torch.device
    precision: str

    def autocast(self) -> AbstractContextManager:
        """Mixed precision for the forward pass: bf16 needs no loss scaling."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def hold(self, array: np.ndarray) -> Tensor:
        """The array as a tensor on the device where it fits beside the model, else in host memory."""
        tensor = torch.from_numpy(array)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        free, _ = torch.cuda.mem_get_info(self.device)
        return tensor.to(self.device) if tensor.nbytes < free * _SHARE_FOR_DATA else tensor

    def send(self, tensor: Tensor) -> Tensor:
        """A batch on the device, copied without waiting where it comes from host memory."""
        if self.device.type == "cuda" and tensor.device.type == "cpu":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def fetch(self, tensor: Tensor) -> Callable[[], Sequence[float]]:
        """Starts copying a small tensor to the host; the call that is returned waits for it and gives its numbers."""
        if self.device.type != "cuda":
            return tensor.tolist
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()

        def numbers() -> Sequence[float]:
            copied.synchronize()
            return host.tolist()

        return numbers

    def describe(self) -> dict[str, Any]:
        """What a result must state about the machine; no name or address of the host."""
        cuda = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if cuda else _cpu_name(),
            "device_type": self.device.type,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "cuda": torch.version.cuda if cuda else None,
            "platform": platform.system(),
        }


def choose(*, device: str = "auto", precision: str = "auto", threads: int | None = None) -> Place:
    """The place for a run; raises InputError for a device that this machine does not have.

    `auto` takes CUDA, then Apple's MPS, then the CPU; `auto` precision is bf16 on CUDA and fp32 elsewhere.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device.partition(":")[0] not in _DEVICES:
        raise InputError(f"unknown device {device!r}; there are: auto, {', '.join(_DEVICES)}, and cuda:N")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first_line = str(error).splitlines()[0]
        raise InputError(f"device={device} cannot be used here ({first_line}); try --device cpu") from error
    if threads is not None:
        torch.set_num_threads(threads)
    found = torch.device(device)
    if precision == "auto":
        precision = "bf16" if found.type == "cuda" else "fp32"
    return Place(found, precision)


def fitting_micro_batch(batch_size: int, attempt: Callable[[int], None]) -> int:
    """The largest batch_size / 2^k that `attempt` gets through without running out of memory."""
    size = batch_size
    while True:
        try:
            attempt(size)
            return size
        except torch.OutOfMemoryError:
            if size == 1:
                raise InputError("not even one image fits into the device's memory; take a smaller --size") from None
        torch.cuda.empty_cache()
        size = -(-size // 2)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "CPU"
