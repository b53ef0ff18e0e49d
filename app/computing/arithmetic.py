"""The computation of a step on a rank: its share of a batch, dropout, precision, and the sums over all ranks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import draws
from ..place import Place
from ..task import Mixed, Task


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """The loop's arithmetic on a place, for a run of that seed and task. Each call on one rank is made on all ranks."""

    place: Place
    seed: int
    task: Task
    class_weights: Tensor | None = None  # float32 (K,) on the place's device: those of the training loss

    def begin(self, *, step: int) -> None:
        """Seed dropout by seed and step, and by rank if there are several."""
        rank = (self.place.rank,) if self.place.rank else ()
        torch.manual_seed(draws.key(draws.DROPOUT, self.seed, step, *rank))

    def share(self, examples: np.ndarray) -> np.ndarray:
        """Return this rank's part of a batch."""
        return self.place.share(examples)

    def micro_batch(self, model: nn.Module, *, last: bool) -> AbstractContextManager:
        """Return a context in which ranks exchange gradients at the last micro-batch only."""
        return self.place.alone(model, last=last)

    def autocast(self) -> AbstractContextManager:
        """Return the place's mixed precision."""
        return self.place.autocast()

    def training_sums(self, outputs: Tensor, targets: Tensor | Mixed) -> Tensor:
        """Return the task's sums. The loss is weighted by class if there are weights. The counts never are.

        The loss of mixed examples is that of their mixed targets. Counts compare with the targets before mixing.

        The loss of a batch of B examples is (1 / B) sum_i w[y_i] CE_i, and of mixed targets (1 / B) sum_i sum_k w[k]
        t_ik (-log p_ik). It is divided by the count B and not by the sum of the weights, as torch's `reduction="mean"`
        does, so that micro-batches and ranks add up to the batch exactly.
        """
        if isinstance(targets, Mixed):
            sums, targets = self.task.sums(outputs, targets.targets), self.task.blended(targets, outputs)
        else:
            sums = self.task.sums(outputs, targets)
            if self.class_weights is None:
                return sums
        if self.class_weights is None:
            loss = self.task.losses(outputs, targets).sum()
        else:
            wide = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
            loss = F.cross_entropy(wide, targets, weight=self.class_weights.to(wide.dtype), reduction="sum")
        return torch.cat([loss[None], sums[1:]])

    def total(self, sums: Tensor) -> Tensor:
        """Return the sums over all ranks."""
        return self.place.total(sums)

    def peak_bytes(self) -> int:
        """Return the peak memory of any rank so far."""
        return self.place.agree(self.place.peak_bytes())
