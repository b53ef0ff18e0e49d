"""What learns in a run: the model, its optimiser and the average of its weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..artifacts import checkpoint
from ..artifacts.states import LossScale
from ..computing.scaling import Scaler, ScalerState
from ..optim.average import Average


class Learner(NamedTuple):
    """Everything that changes with the steps of a run, and whether all of it does."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None = None  # of a run with --ema
    scaler: Scaler | None = None  # of a run in fp16
    partly_used: bool = False  # whether some parameters have no gradient, on several ranks

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of a state, each named by its part, but for those of the optimiser."""
        parts = {"model": self.model.state_dict(), "ema": self.average.tensors if self.average else {}}
        return {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def loss_scale(self) -> LossScale | None:
        """Return the scale of the loss for a state, or None without one."""
        return LossScale(**self.scaler.state()._asdict()) if self.scaler else None

    def restore(self, state: checkpoint.State) -> None:
        """Load a state: weights, the optimiser's state, the average."""
        self.model.load_state_dict(state.part("model"))
        checkpoint.restore_optimizer(self.model, self.optimizer, state.part("optimizer"), state.facts.optimizer)
        if self.average:
            self.average.load(state.part("ema"))
        if self.scaler and state.facts.scaler:
            self.scaler.load(ScalerState(float(state.facts.scaler.scale), state.facts.scaler.steps))
