"""The optimisers: AdamW (arXiv:1711.05101) and Adam (arXiv:1412.6980), each with the memory of its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..config.run import RunConfig
from .groups import parameter_groups

_FLOAT = 4  # bytes


@dataclass(frozen=True)
class Optimiser:
    """The function that makes an optimiser, and the bytes of its state per parameter."""

    make: Callable[..., torch.optim.Optimizer]  # (model, lr=, weight_decay=, eps=)
    state_bytes: int


def of(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a run."""
    numbers = {"lr": config.lr, "weight_decay": config.weight_decay, "eps": config.eps}
    return OPTIMISERS[config.optimizer].make(model, **numbers)


def state_bytes(config: RunConfig) -> int:
    """Return the bytes per parameter of the state that a run's optimiser stores."""
    return OPTIMISERS[config.optimizer].state_bytes


def adamw(model: nn.Module, *, lr: float, weight_decay: float, eps: float = 1e-8) -> torch.optim.AdamW:
    """Return AdamW with betas 0.9, 0.999, in torch's fused form."""
    groups = [group for group in parameter_groups(model, weight_decay) if group["params"]]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=eps, fused=True)


def adam(model: nn.Module, *, lr: float, weight_decay: float, eps: float = 1e-8) -> torch.optim.Adam:
    """Return Adam, which differs from AdamW in that the weight decay is a part of the gradient."""
    groups = [group for group in parameter_groups(model, weight_decay) if group["params"]]
    return torch.optim.Adam(groups, lr=lr, betas=(0.9, 0.999), eps=eps, fused=True)


OPTIMISERS = {
    "adamw": Optimiser(adamw, state_bytes=2 * _FLOAT),  # two moments
    "adam": Optimiser(adam, state_bytes=2 * _FLOAT),
}
