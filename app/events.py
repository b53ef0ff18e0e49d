"""What happens in the loop, as its observers see it: a batch, the end of a step, the end of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """One batch, or one full validation pass, was computed."""

    split: str  # train, val, val_full, val_ema
    step: int
    epoch: int  # from 1
    examples: int
    lr: float
    sums: Tensor  # over all processes, as the task makes them
    waited: float = 0.0  # seconds for inputs
    peak_bytes: int | None = None  # of any process, with val_full
    grad_norm: Tensor | None = None  # with train, before clipping; None where nothing is clipped
    loss_scale: float | None = None  # with train in fp16; negative for a skipped step


class EpochEnd(NamedTuple):
    """The full validation pass of an epoch was computed."""

    step: int
    epoch: int


class StepEnd(NamedTuple):
    """A step is complete. An observer may save a state, or raise an exception to stop the run here."""

    step: int


Event = Batch | EpochEnd | StepEnd
Observer = Callable[[Event], None]  # the loop calls them in the list's order with each event
