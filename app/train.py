"""The loop: a training step, a validation batch beside it, and a full validation pass at each epoch's end.

It knows no file, rank, dtype or progress bar: those are in what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from . import task

_NONE = np.empty(0, np.int64)  # no examples


class Examples(Protocol):
    """What the loop needs of a split."""

    def __len__(self) -> int: ...

    def order(self, epoch: int, size: int | None = None) -> np.ndarray: ...

    def expect(self, examples: np.ndarray) -> None: ...

    def batch(self, examples: np.ndarray, *, epoch: int | None = None) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The numbers a loop runs by; steps count from 1, epochs from 0 here and from 1 in the log."""

    epochs: int
    batch_size: int
    val_batch_size: int
    micro_batch_size: int
    clip_norm: float | None
    learning_rate: Callable[[int], float]
    train_batches: int | None = None  # of an epoch, drawn anew each time; None: every example once
    val_batches: int | None = None  # of an epoch's validation pass


class Hooks(Protocol):
    """What happens beside the arithmetic, and which part of it is done here."""

    def begin(self, *, step: int) -> None:
        """Seeds what the step draws while it is computed: dropout."""

    def share(self, examples: np.ndarray) -> np.ndarray:
        """The part of a batch that is computed by this process; over all processes the parts are the batch."""

    def waiting(self) -> Any:
        """A context around asking for a training input."""

    def micro_batch(self, model: nn.Module, *, last: bool) -> Any:
        """A context around forward and backward."""

    def autocast(self) -> Any:
        """A context around forward."""

    def row(self, split: str, *, step: int, epoch: int, examples: int, lr: float, sums: Tensor) -> None:
        """Takes this process's sums of one batch: (loss, correct), for `val_full` (loss, correct, correct at 5);
        of numbers (loss, absolute error)."""

    def epoch_end(self, *, step: int, epoch: int) -> None:
        """Comes after the full validation pass."""

    def step_end(self, *, step: int) -> None:
        """May save a state, and may raise to stop the run after this step."""


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches that show every example once; the last may be smaller."""
    return -(-examples // batch_size)


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    train: Examples,
    val: Examples,
    schedule: Schedule,
    hooks: Hooks,
    first_step: int = 1,
) -> None:
    """Runs steps `first_step` to the last; the same numbers come out wherever an earlier call stopped."""
    batches = pairwise(_batches(train, schedule, first_step))
    for step, ((epoch, examples), (following_epoch, following)) in enumerate(batches, first_step):
        ends = following_epoch != epoch
        whole = _whole(val, schedule, epoch) if ends else [_NONE]
        seen = val_examples(step, len(val), schedule.val_batch_size)
        val.expect(_mine(hooks, seen))
        hooks.begin(step=step)
        lr = schedule.learning_rate(step)
        sums = update(model, optimizer, train, examples, epoch=epoch, lr=lr, schedule=schedule, hooks=hooks)
        train.expect(_mine(hooks, following)[: schedule.micro_batch_size])
        row: dict[str, Any] = {"step": step, "epoch": epoch + 1, "lr": lr}
        hooks.row("train", **row, examples=len(examples), sums=sums)
        sums = validate(model, val, seen, hooks=hooks, following=whole[0])
        hooks.row("val", **row, examples=len(seen), sums=sums)
        if ends:
            parts = [
                validate(model, val, part, hooks=hooks, at_k=True, following=after)
                for part, after in pairwise([*whole, _NONE])
            ]
            hooks.row("val_full", **row, examples=sum(map(len, whole)), sums=torch.stack(parts).sum(0))
            hooks.epoch_end(step=step, epoch=epoch + 1)
        hooks.step_end(step=step)


def _batches(train: Examples, schedule: Schedule, first_step: int) -> Iterator[tuple[int, np.ndarray]]:
    """(epoch, examples) of each step from the first on; then the epoch that is not begun, without examples."""
    size, per_epoch = None, steps_per_epoch(len(train), schedule.batch_size)
    if schedule.train_batches:
        size, per_epoch = schedule.train_batches * schedule.batch_size, schedule.train_batches
    first_epoch, skipped = divmod(first_step - 1, per_epoch)
    for epoch in range(first_epoch, schedule.epochs):
        order = np.asarray(train.order(epoch, size) if size else train.order(epoch))
        for start in range(skipped * schedule.batch_size, len(order), schedule.batch_size):
            yield epoch, order[start : start + schedule.batch_size]
        skipped = 0
    yield schedule.epochs, _NONE


def _whole(val: Examples, schedule: Schedule, epoch: int) -> list[np.ndarray]:
    """The batches of an epoch's validation pass: every example once and in order, or so many random ones."""
    examples = np.arange(len(val))
    if schedule.val_batches:
        examples = val.order(epoch, schedule.val_batches * schedule.val_batch_size)
    return np.split(examples, range(schedule.val_batch_size, len(examples), schedule.val_batch_size))


def _mine(hooks: Hooks, examples: np.ndarray) -> np.ndarray:
    """What this process computes of a batch: its share, or one example, to be counted 0 times, if that is empty."""
    mine = hooks.share(examples)
    return mine if len(mine) else examples[:1]


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Examples,
    examples: np.ndarray,
    *,
    epoch: int,
    lr: float,
    schedule: Schedule,
    hooks: Hooks,
) -> Tensor:
    """One optimiser step on the mean loss of `examples`, in micro-batches; returns this process's sums.

    A process whose share is empty computes one example with weight 0, so that all exchange gradients alike.
    """
    model.train()
    mine, weight, sums = _mine(hooks, examples), 1 if len(hooks.share(examples)) else 0, []
    for start in range(0, len(mine), schedule.micro_batch_size):
        end = start + schedule.micro_batch_size
        with hooks.waiting():
            inputs, targets = train.batch(mine[start:end], epoch=epoch)
        train.expect(mine[end : end + schedule.micro_batch_size])
        with hooks.micro_batch(model, last=end >= len(mine)):
            with hooks.autocast():
                logits = model(inputs)
            batch_sums = task.sums(logits, targets) * weight
            (batch_sums[0] / len(examples)).backward()
        sums.append(batch_sums.detach())
    if schedule.clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), schedule.clip_norm)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return torch.stack(sums).sum(0)


def val_examples(step: int, total: int, batch_size: int) -> np.ndarray:
    """The validation examples beside a step: the next ones of the split, round and round; all of a small split.

    Every batch has the same size, so every validation loss of a log weighs the same.
    """
    size = min(batch_size, total)
    return ((step - 1) * size + np.arange(size)) % total


def validate(
    model: nn.Module,
    val: Examples,
    examples: np.ndarray,
    *,
    hooks: Hooks,
    at_k: bool = False,
    following: np.ndarray = _NONE,
) -> Tensor:
    """This process's sums over one batch, without gradients, as `task.sums` makes them.

    `following` is the batch that is validated next.
    """
    model.eval()
    weight = 1 if len(hooks.share(examples)) else 0
    inputs, targets = val.batch(_mine(hooks, examples))
    val.expect(_mine(hooks, following))
    with torch.no_grad(), hooks.autocast():
        logits = model(inputs)
    return task.sums(logits, targets, at_k=at_k) * weight
