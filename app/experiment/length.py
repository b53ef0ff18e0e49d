"""How long a run is: its optimiser steps, the examples of an epoch, and the warm-up."""

from __future__ import annotations

from .. import loop, optim
from ..artifacts import parts
from ..config.run import RunConfig
from ..data.splits.division import Splits


def steps(config: RunConfig, splits: Splits) -> int:
    """Return the optimiser steps of the whole run."""
    return config.epochs * (config.train_batches or loop.steps_per_epoch(len(splits.train), config.batch_size))


def shown(config: RunConfig, splits: Splits) -> int:
    """Return the examples that an epoch shows."""
    return config.train_batches * config.batch_size if config.train_batches else len(splits.train)


def schedule(config: RunConfig, splits: Splits) -> tuple[parts.Schedule, str]:
    """Return the length of the schedule and its warm-up, and a note, which is empty unless the warm-up was clamped."""
    total = steps(config, splits)
    warmup_steps, clamped = optim.warmup(config.warmup_steps, total, clamp=config.clamp_warmup)
    return parts.Schedule(total_steps=total, warmup_steps=warmup_steps), clamped
