"""The time of work on a device: calls one after the other without waiting between them, by the device's clock."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from . import devices

_MOST = 10_000  # calls of a window
_GROWTH = 10  # of the calls from one try to the next


def elapsed(work: Callable[[], Any], device: torch.device, calls: int) -> float:
    """Return the seconds of one of several calls back to back, by CUDA's events, or else by the host's clock.

    The host's clock includes the wait for the device at the end. Events are recorded on the current device.
    """
    if devices.limits(device).events:
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        for _ in range(calls):
            work()
        after.record()
        after.synchronize()
        return before.elapsed_time(after) / 1000 / calls
    devices.wait(device)
    began = time.perf_counter()
    for _ in range(calls):
        work()
    devices.wait(device)
    return (time.perf_counter() - began) / calls


def median_seconds(work: Callable[[], Any], device: torch.device, *, window: float = 0.05, windows: int = 5) -> float:
    """Return the median seconds of a call over `windows`, each of as many calls as take `window` seconds.

    The first call does not count, because it compiles and allocates.
    """
    work()
    calls = _calls(work, device, window) if window else 1
    return statistics.median(elapsed(work, device, calls) for _ in range(windows))


def _calls(work: Callable[[], Any], device: torch.device, window: float) -> int:
    """Return the number of calls that fill a window. A few calls are slower than many, so the number grows in steps."""
    calls = 1
    while (seconds := calls * elapsed(work, device, calls)) < window and calls < _MOST:
        more = math.ceil(calls * window / seconds) if seconds > 0 else _MOST
        calls = min(max(more, calls + 1), _GROWTH * calls, _MOST)
    return calls
