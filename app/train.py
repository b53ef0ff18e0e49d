"""The loop: a training step, a validation batch beside it, and a full validation pass at each epoch's end.

It knows no file, rank, dtype or progress bar: those are in what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from app import task


class Examples(Protocol):
    """What the loop needs of the training split."""

    def __len__(self) -> int: ...

    def order(self, epoch: int) -> np.ndarray: ...

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
        """Takes this process's sums of one batch: (loss, correct), for `val_full` (loss, correct, correct at 5)."""

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
    per_epoch = steps_per_epoch(len(train), schedule.batch_size)
    order: Sequence[int] | np.ndarray = ()
    for step in range(first_step, schedule.epochs * per_epoch + 1):
        epoch, position = divmod(step - 1, per_epoch)
        if position == 0 or step == first_step:
            order = train.order(epoch)
        examples = np.asarray(order[position * schedule.batch_size : (position + 1) * schedule.batch_size])
        seen = val_examples(step, len(val), schedule.val_batch_size)
        val.expect(hooks.share(seen))
        hooks.begin(step=step)
        lr = schedule.learning_rate(step)
        sums = update(model, optimizer, train, examples, epoch=epoch, lr=lr, schedule=schedule, hooks=hooks)
        following = order[(position + 1) * schedule.batch_size : (position + 2) * schedule.batch_size]
        train.expect(hooks.share(np.asarray(following))[: schedule.micro_batch_size])
        row: dict[str, Any] = {"step": step, "epoch": epoch + 1, "lr": lr}
        hooks.row("train", **row, examples=len(examples), sums=sums)
        hooks.row("val", **row, examples=len(seen), sums=validate(model, val, seen, hooks=hooks))
        if position == per_epoch - 1:
            whole = np.split(np.arange(len(val)), range(schedule.val_batch_size, len(val), schedule.val_batch_size))
            full = torch.stack([validate(model, val, part, hooks=hooks, at_k=True) for part in whole]).sum(0)
            hooks.row("val_full", **row, examples=len(val), sums=full)
            hooks.epoch_end(step=step, epoch=epoch + 1)
        hooks.step_end(step=step)


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
    """One optimiser step on the mean loss of `examples`, in micro-batches; returns this process's (loss, correct).

    A process whose share is empty computes one example with weight 0, so that all exchange gradients alike.
    """
    model.train()
    mine = hooks.share(examples)
    weight = 1 if len(mine) else 0
    mine, sums = (mine if weight else examples[:1]), []
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


def validate(model: nn.Module, val: Examples, examples: np.ndarray, *, hooks: Hooks, at_k: bool = False) -> Tensor:
    """This process's sums over one batch, without gradients: (loss, correct), with `at_k` also correct at 5."""
    model.eval()
    mine = hooks.share(examples)
    inputs, targets = val.batch(mine if len(mine) else examples[:1])
    with torch.no_grad(), hooks.autocast():
        logits = model(inputs)
    return task.sums(logits, targets, at_k=at_k) * (1 if len(mine) else 0)
