"""Measurements while contenders run: stopwatches that wait for the device, and the device's memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Prepared = Callable[[int], float]  # does so many units of work; returns the measured value of one of them


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    from ..system import devices

    devices.wait(device)


def stopwatch(work: Callable[[], Any], device: torch.device) -> Prepared:
    """Return a function that measures the wall seconds of a unit of work, the device's part included."""

    def run(units: int) -> float:
        synchronise(device)
        began = time.perf_counter()
        for _ in range(units):
            work()
        synchronise(device)
        return (time.perf_counter() - began) / units

    return run


class Memory:
    """The device's memory as torch counts it on CUDA. On other devices, a contender's part of a process is unknown."""

    def __init__(self, device: torch.device | None) -> None:
        self._cuda = device if device is not None and device.type == "cuda" else None
        self._before = 0

    def held(self) -> int:
        """Return the bytes of all tensors that are alive."""
        if self._cuda is None:
            return 0
        import torch

        return torch.cuda.memory_allocated(self._cuda)

    def reset(self) -> None:
        """Begin a sample."""
        if self._cuda is not None:
            import torch

            torch.cuda.reset_peak_memory_stats(self._cuda)
            self._before = self.held()

    def peak(self, *, own: int) -> int | None:
        """Return the peak bytes of a contender in this sample: `own`, which it always has, and what it added."""
        if self._cuda is None:
            return None
        import torch

        return own + torch.cuda.max_memory_allocated(self._cuda) - self._before


def matmul_rate(device: torch.device, *, side: int = 8192) -> float:
    """Return the floating-point operations per second of square bf16 matrix products, one right after the other.

    It is the median over windows of 0.2 s, after one that does not count, in which the device raises its clock.
    """
    import torch

    from ..system.timing import median_seconds

    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(left)
    product = partial(torch.mm, left, right, out=out)
    median_seconds(product, device, window=0.2, windows=1)
    return 2 * side**3 / median_seconds(product, device, window=0.2)


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Compute with n CPU threads within the context, or with the current number if None. It is restored at the end."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
