"""The host's cores: the seconds that they are busy, and how many of them are there to be used."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from app.bench.meter import Prepared, synchronise


def core_seconds(work: Callable[[], Any], device: torch.device) -> Prepared:
    """Seconds of a unit that cores of the host are busy, all threads together; the device is not waited for."""

    def run(units: int) -> float:
        synchronise(device)
        began = time.process_time()
        for _ in range(units):
            work()
        busy = time.process_time() - began
        synchronise(device)
        return max(busy, 1e-9) / units

    return run


@contextmanager
def cores(n: int | None) -> Iterator[None]:
    """What is started within has n of the host's cores, where the system can say so; None: all that there are."""
    if n is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-n:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
