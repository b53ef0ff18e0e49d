"""The scale of the loss in fp16, whose smallest numbers gradients would fall below (arXiv:1710.03740, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ScalerState(NamedTuple):
    """What resuming needs: the scale, and the steps since it last changed."""

    scale: float
    steps: int


class Scaler:
    """torch's `GradScaler` at its defaults, for one optimiser.

    The loss is multiplied by the scale, and the gradients are divided by it before they are clipped and used. A step
    whose gradients are not all finite is skipped, and the scale is halved. After 2,000 steps without such a one, it is
    doubled. It begins at 65,536.
    """

    def __init__(self, device: str) -> None:
        self._scaler = torch.amp.GradScaler(device)
        self.skipped = 0  # steps, in this process

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss times the scale."""
        return self._scaler.scale(loss)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients by the scale."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> float:
        """Make the optimiser's step unless a gradient is not finite. Return the scale, negative for a skipped step.

        This waits for the device. Ranks have the same gradients, and so decide alike.
        """
        before = self._scaler.get_scale()
        self._scaler.step(optimizer)
        self._scaler.update()
        made = self._scaler.get_scale() >= before
        self.skipped += not made
        return before if made else -before

    def state(self) -> ScalerState:
        """Return what resuming needs."""
        known = self._scaler.state_dict()
        return ScalerState(float(known["scale"]), int(known["_growth_tracker"]))

    def load(self, state: ScalerState) -> None:
        """Continue from a saved state."""
        self._scaler.load_state_dict(self._scaler.state_dict() | {"scale": state.scale, "_growth_tracker": state.steps})
