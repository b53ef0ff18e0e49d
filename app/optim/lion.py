"""Lion (arXiv:2302.06675, algorithm 2): the sign of an interpolated momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from . import foreach
from .stepping import Moments, StepByStep


class Lion(StepByStep):
    """p = p (1 - lr decay) - lr sign(b1 m + (1 - b1) g), then m = b2 m + (1 - b2) g, with betas (b1, b2).

    Its authors advise a learning rate 3 to 10 times smaller than AdamW's, and a weight decay as many times larger
    (section 4.4). The bits are those of timm's `lion`.
    """

    def __init__(self, params: Iterable[Any], *, lr: float, betas: tuple[float, ...] = (0.9, 0.99)) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    def begun(self, parameter: Tensor, gradient: Tensor) -> dict[str, Any]:
        """Return the state before the first step."""
        del gradient
        return {"exp_avg": torch.zeros_like(parameter)}

    def update(self, moments: Moments, group: dict[str, Any]) -> None:
        """Make one step of some parameters."""
        (b1, b2), lr, m = group["betas"], group["lr"], moments.of("exp_avg")
        foreach.mul_(moments.parameters, 1 - lr * group["weight_decay"])
        signs = foreach.lerp(m, moments.gradients, 1 - b1)
        foreach.sign_(signs)
        foreach.add_(moments.parameters, signs, alpha=-lr)
        foreach.lerp_(m, moments.gradients, 1 - b2)
