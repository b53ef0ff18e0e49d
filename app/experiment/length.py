"""The length of a run: its optimiser steps, the inputs that it computes, its FLOPs and the warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..artifacts import parts
from ..config.run import RunConfig
from ..config.schedules import learning_rate, warmup
from ..draws import steps_per_epoch

if TYPE_CHECKING:
    from ..data.splits.division import Splits  # torch, which the cost of a study does without


def steps(config: RunConfig, train: int) -> int:
    """Return the optimiser steps of a run on `train` training rows."""
    return config.epochs * (config.train_batches or steps_per_epoch(train, config.batch_size))


def shown(config: RunConfig, train: int) -> int:
    """Return the number of examples in an epoch: its random batches, or every training row once."""
    return config.train_batches * config.batch_size if config.train_batches else train


def evaluated(config: RunConfig, *, train: int, val: int, test: int) -> int:
    """Return the inputs computed without gradients: next to each step, at the end of each epoch, and in the test.

    A run with --ema validates its average at the end of each epoch too.
    """
    full = config.val_batches * config.val_batch_size if config.val_batches else val
    passes = config.epochs * (2 if config.ema else 1)
    return steps(config, train) * min(config.val_batch_size, val) + passes * full + test


def flops(config: RunConfig, *, train: int, val: int, test: int) -> int:
    """Return the FLOPs of a run: three forward passes for each input trained on, one for each evaluated input."""
    trained = config.epochs * shown(config, train)
    return config.flops * (3 * trained + evaluated(config, train=train, val=val, test=test))


def small_split(config: RunConfig, train: int | None) -> str:
    """Return a sentence if one batch is larger than the training split, else an empty text."""
    if train is None or config.train_batches or train >= config.batch_size:
        return ""
    rows = f"{train:,} training row{'' if train == 1 else 's'}"
    return (
        f"--batch-size {config.batch_size} is more than the {rows}, so every epoch is one step on all of them. Use "
        f"--batch-size {train} or less"
    )


def still(config: RunConfig, train: int | None) -> str:
    """Return a sentence if the learning rate is 0 at the only step of a run, else an empty text."""
    if train is None or config.lr_min or steps(config, train) > 1:
        return ""
    warmup_steps, _ = warmup(config.warmup_steps, 1, clamp=config.clamp_warmup)
    rate = learning_rate(
        1, lr=config.lr, warmup_steps=warmup_steps, total_steps=1, schedule=config.schedule, epochs=config.epochs
    )
    if rate:
        return ""
    return (
        f"the run has one step without warm-up, and --schedule {config.schedule} ends at a learning rate of 0, so that "
        "nothing is learned. Use --warmup-steps 1, --schedule constant, or more epochs"
    )


def schedule(config: RunConfig, splits: Splits) -> tuple[parts.Schedule, str]:
    """Return the length of the schedule and its warm-up, and a note, which is empty unless the warm-up was clamped."""
    total = steps(config, len(splits.train))
    warmup_steps, clamped = warmup(config.warmup_steps, total, clamp=config.clamp_warmup)
    return parts.Schedule(total_steps=total, warmup_steps=warmup_steps), clamped
