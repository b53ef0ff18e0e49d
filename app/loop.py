"""The loop: a training step, a validation batch after it, and a full validation pass at each epoch's end.

It does not know of files, ranks, dtypes or progress bars. `Arithmetic` defines how a step is computed here, and
observers are called with each event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from .draws import steps_per_epoch
from .events import Batch, EpochEnd, Event, Observer, StepEnd
from .task import Mixed, Task

_NONE = np.empty(0, np.int64)  # no examples


class Examples(Protocol):
    """The part of a split's interface that the loop needs."""

    def __len__(self) -> int: ...

    def order(self, epoch: int, size: int | None = None) -> np.ndarray: ...

    def paired(self, examples: np.ndarray, epoch: int) -> np.ndarray:
        """Return the optimiser batch with what its parts must know of all of it, (B,), which can be divided."""

    def expect(self, examples: np.ndarray) -> None: ...

    def batch(self, examples: np.ndarray, *, epoch: int | None = None) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The numbers that control a loop. Steps count from 1, epochs from 0 here and from 1 in the log."""

    epochs: int
    batch_size: int
    val_batch_size: int
    micro_batch_size: int
    clip_norm: float | None
    learning_rate: Callable[[int], float]
    train_batches: int | None = None  # random batches of an epoch; None: every example once
    val_batches: int | None = None  # of an epoch's validation pass
    first_step: int = 1  # of this process: the one after that of the state


class Scaler(Protocol):
    """The scale of the loss in fp16."""

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss times the scale."""

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients by the scale."""

    def step(self, optimizer: torch.optim.Optimizer) -> float:
        """Make a step unless a gradient is not finite. Return the scale, negative for a skipped step."""


class Arithmetic(Protocol):
    """The way in which this process computes a step: its part of a batch, its precision, and its random draws."""

    @property
    def task(self) -> Task:
        """The task that is learned."""

    def begin(self, *, step: int) -> None:
        """Seed the random draws of the step: dropout."""

    def share(self, examples: np.ndarray) -> np.ndarray:
        """Return the part of a batch that this process computes. The parts of all processes make up the batch."""

    def micro_batch(self, model: nn.Module, examples: np.ndarray, *, last: bool) -> AbstractContextManager:
        """Return a context around forward and backward, after making the draws that are keyed by example."""

    def autocast(self) -> AbstractContextManager:
        """Return a context around forward."""

    def training_sums(self, outputs: Tensor, targets: Tensor | Mixed) -> Tensor:
        """Return the sums of a training batch for its task. The first one is minimised."""

    @property
    def scaler(self) -> Scaler | None:
        """The scale of the loss, with a precision that needs one."""

    def total(self, sums: Tensor) -> Tensor:
        """Return the sums over all processes, each of which calls this in the same order."""

    def peak_bytes(self) -> int:
        """Return the peak memory of any process. Each process calls this in the same order."""


class Average(Protocol):
    """An average of the model's weights. Each process keeps the same one."""

    def take(self, step: int) -> None:
        """Add the weights after a step."""

    def in_place(self) -> AbstractContextManager[None]:
        """Return a context in which the model computes with the average."""


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    train: Examples,
    val: Examples,
    schedule: Schedule,
    arithmetic: Arithmetic,
    observers: Sequence[Observer],
    average: Average | None = None,
) -> None:
    """Run the schedule's first step to the last. The results do not depend on where an earlier call stopped."""

    def tell(event: Event) -> None:
        for observer in observers:
            observer(event)

    batches = pairwise(_batches(train, schedule))
    for step, ((epoch, examples), (following_epoch, following)) in enumerate(batches, schedule.first_step):
        ends = following_epoch != epoch
        whole = _whole(val, schedule, epoch) if ends else [_NONE]
        seen = val_examples(step, len(val), schedule.val_batch_size)
        val.expect(_mine(arithmetic, seen))
        arithmetic.begin(step=step)
        lr = schedule.learning_rate(step)
        made = update(model, optimizer, train, examples, epoch=epoch, lr=lr, schedule=schedule, arithmetic=arithmetic)
        train.expect(_mine(arithmetic, following)[: schedule.micro_batch_size])
        if average:
            average.take(step)
        total = arithmetic.total(made.sums)
        tell(Batch("train", step, epoch + 1, len(examples), lr, total, made.waited, None, *made[2:]))
        sums = validate(model, val, seen, arithmetic=arithmetic, following=whole[0])
        tell(Batch("val", step, epoch + 1, len(seen), lr, arithmetic.total(sums)))
        if ends:
            total, peak, n = _pass(model, val, whole, arithmetic), arithmetic.peak_bytes(), sum(map(len, whole))
            tell(Batch("val_full", step, epoch + 1, n, lr, total, peak_bytes=peak))
            if average:
                with average.in_place():
                    tell(Batch("val_ema", step, epoch + 1, n, lr, _pass(model, val, whole, arithmetic)))
            tell(EpochEnd(step, epoch + 1))
        tell(StepEnd(step))


def _batches(train: Examples, schedule: Schedule) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (epoch, examples) of each step from the first on, then the next epoch without examples."""
    size, per_epoch = None, steps_per_epoch(len(train), schedule.batch_size)
    if schedule.train_batches:
        size, per_epoch = schedule.train_batches * schedule.batch_size, schedule.train_batches
    first_epoch, skipped = divmod(schedule.first_step - 1, per_epoch)
    for epoch in range(first_epoch, schedule.epochs):
        order = np.asarray(train.order(epoch, size) if size else train.order(epoch))
        for start in range(skipped * schedule.batch_size, len(order), schedule.batch_size):
            yield epoch, train.paired(order[start : start + schedule.batch_size], epoch)
        skipped = 0
    yield schedule.epochs, _NONE


def _whole(val: Examples, schedule: Schedule, epoch: int) -> list[np.ndarray]:
    """Return the batches of an epoch's validation pass: every example once and in order, or a number of random ones."""
    examples = np.arange(len(val))
    if schedule.val_batches:
        examples = val.order(epoch, schedule.val_batches * schedule.val_batch_size)
    return np.split(examples, range(schedule.val_batch_size, len(examples), schedule.val_batch_size))


def _pass(model: nn.Module, val: Examples, batches: list[np.ndarray], arithmetic: Arithmetic) -> Tensor:
    """Return the sums of all processes over a validation pass."""
    parts = [
        validate(model, val, part, arithmetic=arithmetic, at_k=True, following=after)
        for part, after in pairwise([*batches, _NONE])
    ]
    return arithmetic.total(torch.stack(parts).sum(0))


def _mine(arithmetic: Arithmetic, examples: np.ndarray) -> np.ndarray:
    """Return this process's share of a batch, or one example (with weight 0) if the share is empty."""
    mine = arithmetic.share(examples)
    return mine if len(mine) else examples[:1]


class Update(NamedTuple):
    """The results of one optimiser step in this process."""

    sums: Tensor  # as the task makes them
    waited: float  # seconds for inputs
    grad_norm: Tensor | None  # of all gradients, before clipping, on the device; None where nothing is clipped
    loss_scale: float | None  # in fp16; negative for a skipped step


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Examples,
    examples: np.ndarray,
    *,
    epoch: int,
    lr: float,
    schedule: Schedule,
    arithmetic: Arithmetic,
) -> Update:
    """Make one optimiser step on the mean loss of `examples`, in micro-batches.

    A process whose share is empty computes one example with weight 0, so that all processes exchange gradients.
    """
    model.train()
    mine, weight, sums, waited = _mine(arithmetic, examples), 1 if len(arithmetic.share(examples)) else 0, [], 0.0
    for start in range(0, len(mine), schedule.micro_batch_size):
        end = start + schedule.micro_batch_size
        asked = time.perf_counter()
        inputs, targets = train.batch(mine[start:end], epoch=epoch)
        waited += time.perf_counter() - asked
        train.expect(mine[end : end + schedule.micro_batch_size])
        with arithmetic.micro_batch(model, mine[start:end], last=end >= len(mine)):
            with arithmetic.autocast():
                outputs = model(inputs)
            batch_sums = arithmetic.training_sums(outputs, targets) * weight
            loss = batch_sums[0] / len(examples)
            (arithmetic.scaler.scaled(loss) if arithmetic.scaler else loss).backward()
        sums.append(batch_sums.detach())
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)  # x * 1.0 is x, exactly
    return Update(torch.stack(sums).sum(0), waited, *_stepped(model, optimizer, schedule.clip_norm, arithmetic.scaler))


def _stepped(
    model: nn.Module, optimizer: torch.optim.Optimizer, clip_norm: float | None, scaler: Scaler | None
) -> tuple[Tensor | None, float | None]:
    """Make the optimiser's step on the gradients. Return their norm if they are clipped, and the scale in fp16."""
    norm, scale = None, None
    if scaler:
        scaler.unscale(optimizer)
    if clip_norm is not None:
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if scaler:
        scale = scaler.step(optimizer)
    else:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm, scale


def val_examples(step: int, total: int, batch_size: int) -> np.ndarray:
    """Return the validation examples of a step: the next ones of the split, cyclically, or all of a small split.

    Every batch has the same size, so that every validation loss of a log has the same weight.
    """
    size = min(batch_size, total)
    return ((step - 1) * size + np.arange(size)) % total


def validate(
    model: nn.Module,
    val: Examples,
    examples: np.ndarray,
    *,
    arithmetic: Arithmetic,
    at_k: bool = False,
    following: np.ndarray = _NONE,
) -> Tensor:
    """Return this process's sums for its task over one batch, without gradients.

    `following` is the batch that is validated next.
    """
    model.eval()
    weight = 1 if len(arithmetic.share(examples)) else 0
    inputs, targets = val.batch(_mine(arithmetic, examples))
    val.expect(_mine(arithmetic, following))
    with torch.no_grad(), arithmetic.autocast():
        outputs = model(inputs)
    return arithmetic.task.sums(outputs, targets, at_k=at_k) * weight
