"""Adan (arXiv:2208.06677), as its authors' program computes it, and as adan-pytorch 0.1.0 does."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from . import foreach
from .stepping import Moments, StepByStep

_PARTS = ("exp_avg", "exp_avg_diff", "exp_avg_sq")  # m, v, n


class Adan(StepByStep):
    """Adan with betas (b1, b2, b3), each the share that a step keeps, and decay after the step (`no_prox=False`).

    At step t = 1, 2, ... of a parameter p with gradient g, and d = g - g_before (0 at t = 1):

        m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) d,  n = b3 n + (1 - b3) (g + b2 d)^2
        p = (p - lr (m / (1 - b1^t) + b2 v / (1 - b2^t)) / (sqrt(n / (1 - b3^t)) + eps)) / (1 + lr decay)

    The order of operations is the reference's (sail-sg/Adan, adan.py), whose bits these are. The reference counts the
    steps in its parameter groups; here each parameter's state has its count, so that a run resumes exactly.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, betas: tuple[float, ...] = (0.98, 0.92, 0.99), eps: float = 1e-8
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    def begun(self, parameter: Tensor, gradient: Tensor) -> dict[str, Any]:
        """Return the state before the first step."""
        return {name: torch.zeros_like(parameter) for name in _PARTS} | {"neg_pre_grad": -gradient}

    def update(self, moments: Moments, group: dict[str, Any]) -> None:
        """Make step `moments.step` of some parameters."""
        (b1, b2, b3), t, lr = group["betas"], moments.step, group["lr"]
        m, v, n = (moments.of(name) for name in _PARTS)
        difference = moments.of("neg_pre_grad")  # -g_before, and in turn d, and g + b2 d
        foreach.add_(difference, moments.gradients)
        foreach.lerp_(m, moments.gradients, 1 - b1)
        foreach.mul_(v, b2)
        foreach.add_(v, difference, alpha=1 - b2)
        foreach.mul_(difference, b2)
        foreach.add_(difference, moments.gradients)
        foreach.mul_(n, b3)
        foreach.addcmul_(n, difference, difference, value=1 - b3)
        size = foreach.sqrt(n)
        foreach.div_(size, math.sqrt(1 - b3**t))
        foreach.add_(size, group["eps"])
        foreach.addcdiv_(moments.parameters, m, size, value=-lr / (1 - b1**t))
        foreach.addcdiv_(moments.parameters, v, size, value=-lr * b2 / (1 - b2**t))
        foreach.div_(moments.parameters, 1 + lr * group["weight_decay"])
        foreach.zero_(difference)
        foreach.add_(difference, moments.gradients, alpha=-1.0)


class AdanOfLucidrains(StepByStep):
    """Adan as adan-pytorch 0.1.0 computes it, to meet the numbers of programs that use it, such as the CIFAR zoo.

    Its moments ignore the first gradient, while its bias corrections count that step. So the first step moves nothing
    (it only decays), and the next ones are short: 0, 0.71, 0.82, 0.87, ... of lr at a constant gradient. Its betas are
    shares of new information; these are kept shares, 1 minus its own.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, betas: tuple[float, ...] = (0.98, 0.92, 0.99), eps: float = 1e-8
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    def begun(self, parameter: Tensor, gradient: Tensor) -> dict[str, Any]:
        """Return the state before the first step."""
        del gradient
        return {name: torch.zeros_like(parameter) for name in (*_PARTS, "prev_grad")}

    def update(self, moments: Moments, group: dict[str, Any]) -> None:
        """Make step `moments.step` of some parameters."""
        (b1, b2, b3), t = group["betas"], moments.step
        for parameter, gradient, state in moments.each():
            m, v, n = (state[name] for name in _PARTS)
            if t > 1:
                difference = gradient - state["prev_grad"]
                m.mul_(b1).add_(gradient, alpha=1 - b1)
                v.mul_(b2).add_(difference, alpha=1 - b2)
                n.mul_(b3).add_((gradient + b2 * difference) ** 2, alpha=1 - b3)
            size = group["lr"] / (n / (1 - b3**t)).sqrt().add_(group["eps"])
            parameter.addcmul_(size, m / (1 - b1**t) + b2 * v / (1 - b2**t), value=-1.0)
            parameter.div_(1 + group["weight_decay"] * group["lr"])
            state["prev_grad"].copy_(gradient)
