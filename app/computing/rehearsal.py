"""The program's training loop over any examples, one step at a time, as benchmarks and plans measure it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from .. import loop, models, optim, task
from ..config.run import RunConfig
from ..models import drop_path
from ..models.compiling import compiled
from ..place import Place
from ..system import devices
from . import sizes, trials
from .arithmetic import Arithmetic
from .choices import Execution
from .scaling import Scaler


@dataclasses.dataclass(frozen=True)
class HeldBatch:
    """The loop's training split as one batch on the device in the model's format, which needs no input work."""

    images: Tensor  # float32 (B, C, H, W) or (B, C, L)
    targets: Tensor  # int64 (B,), or float32 (B,) of a regression

    @classmethod
    def of(cls, config: RunConfig, device: torch.device) -> HeldBatch:
        """Return noise of the config's shape, and meaningless targets.

        Raises MemoryError before the memory is exhausted.
        """
        draw = torch.Generator(device).manual_seed(0)
        size = (config.batch_size, *config.input_shape)
        its = devices.limits(device)
        taken, free = 4 * math.prod(size), its.room(device)[0]
        if not its.fits_by_trial and 0 < free < taken:  # the system would swap, or kill the process later
            raise MemoryError(f"a batch of {taken / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free")
        images = torch.randn(size, device=device, generator=draw)
        return cls(images, task.of(config.task).drawn(len(images), classes=config.classes, device=device))

    def __len__(self) -> int:
        return len(self.targets)

    def order(self, epoch: int, size: int | None = None) -> np.ndarray:
        """Return the examples in their order of storage."""
        del epoch, size
        return np.arange(len(self))

    def paired(self, examples: np.ndarray, epoch: int) -> np.ndarray:
        """Return the examples, which are not mixed."""
        del epoch
        return examples

    def expect(self, examples: np.ndarray) -> None:
        """Do nothing, since the batch is already on the device."""

    def batch(self, examples: np.ndarray, *, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        """Return a part of the batch, without a copy."""
        del epoch
        part = slice(int(examples[0]), int(examples[-1]) + 1)
        return self.images[part], self.targets[part]


@dataclasses.dataclass
class Walk:
    """Batches of example numbers in the order of training, epoch after epoch. Orders are made as in the loop.

    A smaller last batch is skipped, so that every unit of work is equal.
    """

    train: loop.Examples
    batch_size: int
    _epoch: int = -1
    _position: int = 0
    _order: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))

    def __call__(self) -> tuple[np.ndarray, int]:
        """Return the next (examples, epoch)."""
        if self._position + self.batch_size > len(self._order):
            self._epoch, self._position = self._epoch + 1, 0
            self._order = self.train.order(self._epoch)
        self._position += self.batch_size
        return self._order[self._position - self.batch_size : self._position], self._epoch


class Rehearsal:
    """A model in training, whose calls make one step each. Nothing is logged or saved."""

    def __init__(self, config: RunConfig, here: Place, train: loop.Examples, chosen: Execution) -> None:
        torch.manual_seed(config.seed)
        here.forget_peak()
        model = here.laid_out(models.build(config, **chosen.of_the_model).to(here.device))
        fixed = sizes.of(config, here, chosen, train=config.batch_size, val=config.val_batch_size)
        model = compiled(model, chosen.compile, cache=trials.compiled_programs(), sizes=fixed)
        self._optimizer = optim.of(config, model)
        self._model = here.spread(model)
        self._place = here
        self._arithmetic = Arithmetic(
            place=here,
            seed=config.seed,
            task=task.of(config.task),
            dropping=drop_path.paths(model),
            scaler=Scaler(here.device.type) if here.precision == "fp16" else None,
        )
        self._schedule = loop.Schedule(
            epochs=1, batch_size=config.batch_size, val_batch_size=config.val_batch_size,
            micro_batch_size=chosen.micro_batch_size, clip_norm=None, learning_rate=lambda _: config.lr,
        )  # fmt: skip
        self._train, self._walk, self._number = train, Walk(train, config.batch_size), 0
        self._following = self._next()

    def _next(self) -> tuple[np.ndarray, int]:
        """Return the next batch, with partners if the examples are mixed, and its epoch."""
        examples, epoch = self._walk()
        return self._train.paired(examples, epoch), epoch

    def step(self) -> None:
        """Make one step, from the order of examples to the agreement of ranks at its end, without validation."""
        self._number += 1
        (examples, epoch), self._following = self._following, self._next()
        lr = self._schedule.learning_rate(self._number)
        self._arithmetic.begin(step=self._number)
        made = loop.update(
            self._model, self._optimizer, self._train, examples, epoch=epoch, lr=lr, schedule=self._schedule,
            arithmetic=self._arithmetic,
        )  # fmt: skip
        self._train.expect(self._following[0][: self._schedule.micro_batch_size])
        self._arithmetic.total(made.sums)
        self._place.agree(0)

    def validate(self, examples: np.ndarray) -> None:
        """Compute one batch without gradients."""
        loop.validate(self._model, self._train, examples, arithmetic=self._arithmetic)
