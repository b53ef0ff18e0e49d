"""How a rank computes a step: its share of a batch, its dropout, its precision, and the sums over all ranks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .. import draws
from ..place import Place
from ..task import Task


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """The loop's arithmetic on a place, for a run of that seed and task; every call on one rank is made on all."""

    place: Place
    seed: int
    task: Task

    def begin(self, *, step: int) -> None:
        """Seed dropout by seed and step, and by rank where there are several."""
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

    def total(self, sums: Tensor) -> Tensor:
        """Return the sums over all ranks."""
        return self.place.total(sums)

    def peak_bytes(self) -> int:
        """Return the most memory that any rank held so far."""
        return self.place.agree(self.place.peak_bytes())
