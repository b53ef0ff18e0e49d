"""The optimiser of a run: a function for each row of `app/tables/optimizers.py`, from its configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from ..config.run import RunConfig
from ..tables.optimizers import OPTIMIZERS, Betas
from .adan import Adan, AdanOfLucidrains
from .groups import parameter_groups, parted
from .joint import Joint
from .lion import Lion
from .muon import Muon, matrices

_FLOAT = 4  # bytes
Groups = list[dict[str, Any]]


class Numbers(NamedTuple):
    """The numbers of an optimiser. It ignores those that it does not take."""

    lr: float
    eps: float = 1e-8
    betas: Betas = (0.9, 0.999)
    momentum: float = 0.0
    nesterov: bool = False


def of(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a run."""
    groups = [group for group in parameter_groups(model, config.weight_decay, config.layer_decay) if group["params"]]
    return OPTIMISERS[config.optimizer](model, groups, numbers(config))


def numbers(config: RunConfig) -> Numbers:
    """Return a run's numbers for its optimiser, with the optimiser's defaults for those that no option sets."""
    row = OPTIMIZERS[config.optimizer]
    chosen = {name: getattr(config, name) for name in ("betas", "momentum", "nesterov")}
    own = {name: getattr(row, name) if value is None else value for name, value in chosen.items()}
    taken = {name: value for name, value in own.items() if value is not None}
    return Numbers(lr=config.lr, eps=config.eps, **taken)


def state_bytes(config: RunConfig, model: nn.Module | None = None) -> int:
    """Return the bytes of the state that a run's optimiser stores, at most, or exactly with a `model` for Muon."""
    row = OPTIMIZERS[config.optimizer]
    at_most = _FLOAT * row.floats * config.parameters
    if row.name == "sgd":
        return at_most if numbers(config).momentum else 0
    if row.name == "muon" and model is not None:
        names = matrices(model)
        return at_most - _FLOAT * sum(each.numel() for name, each in model.named_parameters() if name in names)
    return at_most


def _adamw(model: nn.Module, groups: Groups, n: Numbers) -> torch.optim.Optimizer:
    del model
    return torch.optim.AdamW(groups, lr=n.lr, betas=_two(n.betas), eps=n.eps, fused=True)


def _adam(model: nn.Module, groups: Groups, n: Numbers) -> torch.optim.Optimizer:
    """Return Adam, which differs from AdamW in that the weight decay is a part of the gradient."""
    del model
    return torch.optim.Adam(groups, lr=n.lr, betas=_two(n.betas), eps=n.eps, fused=True)


def _sgd(model: nn.Module, groups: Groups, n: Numbers) -> torch.optim.Optimizer:
    """Return SGD, whose weight decay is a part of the gradient.

    It is not torch's fused form, whose momentum is not initialised if the first step is skipped in fp16 (torch 2.15).
    """
    del model
    return torch.optim.SGD(groups, lr=n.lr, momentum=n.momentum, nesterov=n.nesterov, foreach=True)


def _adan(model: nn.Module, groups: Groups, n: Numbers) -> torch.optim.Optimizer:
    del model
    return Adan(groups, lr=n.lr, betas=n.betas, eps=n.eps)


def _adan_lucidrains(model: nn.Module, groups: Groups, n: Numbers) -> torch.optim.Optimizer:
    del model
    return AdanOfLucidrains(groups, lr=n.lr, betas=n.betas, eps=n.eps)


def _lion(model: nn.Module, groups: Groups, n: Numbers) -> torch.optim.Optimizer:
    del model
    return Lion(groups, lr=n.lr, betas=n.betas)


def _muon(model: nn.Module, groups: Groups, n: Numbers) -> torch.optim.Optimizer:
    """Return Muon for the hidden matrices, and AdamW with the same rate and decay for all other parameters."""
    hidden, others = parted(groups, matrices(model))
    own = [Muon(hidden, lr=n.lr, momentum=n.momentum, nesterov=n.nesterov)] if hidden else []
    return Joint(*own, *([_adamw(model, others, n)] if others else []))


def _two(betas: Betas) -> tuple[float, float]:
    first, second = betas
    return first, second


OPTIMISERS: dict[str, Callable[[nn.Module, Groups, Numbers], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
    "adan": _adan,
    "adan_lucidrains": _adan_lucidrains,
    "lion": _lion,
    "muon": _muon,
}


def adamw(model: nn.Module, *, lr: float, weight_decay: float, eps: float = 1e-8) -> torch.optim.Optimizer:
    """Return AdamW over a model's parameter groups, with betas 0.9, 0.999, in torch's fused form."""
    groups = [group for group in parameter_groups(model, weight_decay) if group["params"]]
    return _adamw(model, groups, Numbers(lr=lr, eps=eps))
