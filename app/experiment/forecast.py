"""The predicted time of a run on a CPU, from closed-form counts: a warning before it begins if it exceeds a day."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from ..config import sizing
from ..config.resolve import protocol_of
from ..errors import InputError
from ..system.duration import spoken
from ..tables.sizes import budget
from . import length
from .job import Job

_DAY = 86_400.0  # seconds
_SLOW = 2e9  # FLOP/s that any machine reaches: a run of less than a day at this rate needs no measurement
_SIDE = 1024  # of the matrices that are multiplied
_TRIED = ("25M", "10M", "1M")


def warn(job: Job) -> None:
    """Print a note before the first step if the rest of a run on a CPU is predicted to take more than a day.

    The prediction is the closed form's FLOPs divided by the rate of a float32 matrix product, which is timed for a
    second. Training is slower than the product alone, so the run takes at least that long.
    """
    if job.here.device.type != "cpu":
        return
    train, val, test = (len(split) for split in (job.splits.train, job.splits.val, job.splits.test))
    flops = length.flops(job.config, train=train, val=val, test=test) * _left(job)
    if flops / (_SLOW * job.here.ranks) < _DAY:
        return
    rate = products_per_second() * job.here.ranks
    if flops / rate > _DAY:
        job.screen.say(_note(job, flops / rate))


def products_per_second(*, seconds: float = 1.0, now: Callable[[], float] = time.perf_counter) -> float:
    """Return the FLOP/s of float32 matrix products on this CPU, timed for about so many seconds."""
    a = torch.full((_SIDE, _SIDE), 0.5)
    torch.mm(a, a)  # the first one starts threads and allocates
    began, count = now(), 0
    while (took := now() - began) < seconds or not count:
        torch.mm(a, a)
        count += 1
    return 2.0 * _SIDE**3 * count / took


def _left(job: Job) -> float:
    """Return the fraction of the steps that remain."""
    total = job.kept.schedule.total_steps
    return 1 - (job.state.step if job.state else 0) / total


def _note(job: Job, seconds: float) -> str:
    smaller = next(((size, took) for size, took in _smaller(job, seconds) if took < _DAY), None)
    size = f"Try {smaller[0]} (about {spoken(smaller[1])}), or rent" if smaller else "Use fewer --epochs, or rent"
    return (
        f"note: on this CPU the run is predicted to take at least {_days(seconds)} (from a matrix product timed for "
        f"one second). {size} a GPU: the command `launch` prints how"
    )


def _days(seconds: float) -> str:
    return f"{seconds / _DAY:,.1f} days"


def _smaller(job: Job, seconds: float) -> Iterator[tuple[str, float]]:
    """Yield smaller sizes of the run's model, as an option, with the seconds predicted for each."""
    config = job.config
    for size in _TRIED if config.row.sized else ():
        if budget(size) >= budget(config.size):
            continue
        request: dict[str, Any] = {"size": size} | ({"patch": config.patch} if config.patch else {})
        try:
            cells = sizing.sized(
                config.row, request, protocol_of(config.dataset, config.row), dataset=config.dataset,
                image=config.image, classes=config.classes, channels=config.channels,
            )  # fmt: skip
            flops = replace(config, **cells).flops
        except InputError:
            continue
        yield f"--size {size}", seconds * flops / config.flops
