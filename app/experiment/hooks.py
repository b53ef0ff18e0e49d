"""What a rank does beside the arithmetic: its share of a batch, its dropout, and stopping at the same step as all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .. import draws
from ..errors import Stopped
from ..place import Place
from .stopping import Reason

GO_ON, SAVE, STOP_IN_TIME, STOP = range(4)  # what a rank wishes at a step's end; the largest wish is done by all


def wish_of(reason: Reason | None) -> int:
    """What a rank with that reason to stop, or with none, wishes."""
    return GO_ON if reason is None else STOP_IN_TIME if reason.in_time else STOP


@dataclass(kw_only=True)
class Member:
    """The loop's hooks of a rank that writes nothing; the first rank's are the Keeper's."""

    place: Place
    seed: int
    stop_asked: Callable[[], Reason | None]

    def begin(self, *, step: int) -> None:
        """Seeds dropout by seed and step, and by rank where there are several."""
        rank = (self.place.rank,) if self.place.rank else ()
        torch.manual_seed(draws.key(draws.DROPOUT, self.seed, step, *rank))

    def share(self, examples: np.ndarray) -> np.ndarray:
        return self.place.share(examples)

    def waiting(self) -> AbstractContextManager:
        return nullcontext()

    def micro_batch(self, model: nn.Module, *, last: bool) -> AbstractContextManager:
        return self.place.alone(model, last=last)

    def autocast(self) -> AbstractContextManager:
        return self.place.autocast()

    def row(self, split: str, *, step: int, epoch: int, examples: int, lr: float, sums: Tensor) -> None:
        del step, epoch, examples, lr
        self.place.total(sums)
        if split == "val_full":
            self.place.agree(self.place.peak_bytes())

    def epoch_end(self, *, step: int, epoch: int) -> None: ...

    def step_end(self, *, step: int) -> None:
        if self.place.agree(wish_of(self.stop_asked())) >= STOP_IN_TIME:
            raise Stopped(f"stopped after step {step}", saved=True)
