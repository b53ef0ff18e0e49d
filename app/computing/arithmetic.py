"""The computation of a step on a rank: its share of a batch, dropout, precision, and the sums over all ranks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from .. import draws
from ..losses import PLAIN, Objective
from ..models import drop_path
from ..models.drop_path import DropPath
from ..place import Place
from ..task import Mixed, Task
from .scaling import Scaler


@dataclass(kw_only=True)
class Arithmetic:
    """The loop's arithmetic on a place, for a run of that seed and task. Each call on one rank is made on all ranks."""

    place: Place
    seed: int
    task: Task
    objective: Objective = PLAIN  # the training loss
    dropping: list[DropPath] = field(default_factory=list)  # the modules of stochastic depth
    scaler: Scaler | None = None  # in fp16
    _step: int = 0

    def begin(self, *, step: int) -> None:
        """Seed dropout by seed and step, and by rank if there are several."""
        self._step = step
        rank = (self.place.rank,) if self.place.rank else ()
        torch.manual_seed(draws.key(draws.DROPOUT, self.seed, step, *rank))

    def share(self, examples: np.ndarray) -> np.ndarray:
        """Return this rank's part of a batch."""
        return self.place.share(examples)

    def micro_batch(self, model: nn.Module, examples: np.ndarray, *, last: bool) -> AbstractContextManager:
        """Return a context in which ranks exchange gradients at the last micro-batch only.

        Stochastic depth is drawn for these examples.
        """
        if self.dropping:
            drop_path.draw(self.dropping, examples, place=self.place, key=(self.seed, self._step))
        return self.place.alone(model, last=last)

    def autocast(self) -> AbstractContextManager:
        """Return the place's mixed precision."""
        return self.place.autocast()

    def training_sums(self, outputs: Tensor, targets: Tensor | Mixed) -> Tensor:
        """Return the task's sums, with the training loss in place of the task's own. Counts are never weighted.

        The loss of mixed examples is that of their mixed targets. Counts compare with the targets before mixing.

        The loss of a batch of B examples is divided by the count B and not by the sum of class weights, as torch's
        `reduction="mean"` does, so that micro-batches and ranks add up to the batch exactly.
        """
        if not isinstance(targets, Mixed):
            sums = self.task.sums(outputs, targets)
            if self.objective.is_plain:
                return sums
        else:
            sums, targets = self.task.sums(outputs, targets.targets), self.task.blended(targets, outputs)
        return torch.cat([self.task.objective(outputs, targets, self.objective)[None], sums[1:]])

    def total(self, sums: Tensor) -> Tensor:
        """Return the sums over all ranks."""
        return self.place.total(sums)

    def peak_bytes(self) -> int:
        """Return the peak memory of any rank so far."""
        return self.place.agree(self.place.peak_bytes())
