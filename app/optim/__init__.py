"""AdamW (arXiv:1711.05101) or Adam (arXiv:1412.6980) over two parameter groups, and the learning rate of a step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from ..config.run import RunConfig

_CLAMP_ABOVE, _CLAMP_TO = 0.2, 0.1  # a warm-up over 20 % of the schedule becomes 10 % of it
_NEVER_DECAYED = {"cls", "positions", "cls_token", "dist_token", "reg_token", "pos_embed"}  # ours, then timm's


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: decayed matrices; and norms, biases, positions, cls and lambdas, which are not.

    A model may name more that is not, as timm's do: `no_weight_decay() -> set[str]`, names of parameters.
    """
    named = _NEVER_DECAYED | set(getattr(model, "no_weight_decay", set)())
    decayed: list[tuple[str, nn.Parameter]] = []
    plain: list[tuple[str, nn.Parameter]] = []
    for name, parameter in model.named_parameters():
        exempt = parameter.dim() < 2 or name in named or name.endswith("bias") or "lambda" in name
        (plain if exempt else decayed).append((name, parameter))
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def of(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of a run."""
    numbers = {"lr": config.lr, "weight_decay": config.weight_decay, "eps": config.eps}
    return {"adamw": adamw, "adam": adam}[config.optimizer](model, **numbers)


def adamw(model: nn.Module, *, lr: float, weight_decay: float, eps: float = 1e-8) -> torch.optim.AdamW:
    """AdamW with betas 0.9, 0.999, in torch's fused form."""
    groups = [group for group in parameter_groups(model, weight_decay) if group["params"]]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=eps, fused=True)


def adam(model: nn.Module, *, lr: float, weight_decay: float, eps: float = 1e-8) -> torch.optim.Adam:
    """Adam, the same but for the decay, which is a part of the gradient."""
    groups = [group for group in parameter_groups(model, weight_decay) if group["params"]]
    return torch.optim.Adam(groups, lr=lr, betas=(0.9, 0.999), eps=eps, fused=True)


def warmup(asked: int | None, total_steps: int, *, clamp: bool) -> tuple[int, str]:
    """Warm-up steps for a schedule, and the sentence to print where they were clamped (else empty).

    `None` asks for 10 % of the schedule.
    """
    tenth = max(1, round(_CLAMP_TO * total_steps))
    if asked is None:
        return tenth, ""
    if not clamp or asked <= max(tenth, _CLAMP_ABOVE * total_steps):
        return asked, ""
    share = "more than" if asked > total_steps else f"{asked / total_steps:.0%} of"
    run = f"the run's {total_steps:,} step{'s' if total_steps > 1 else ''}"
    return tenth, f"{asked:,} warm-up steps are {share} {run}: clamped to {tenth:,} (--warmup-steps sets it)"


def learning_rate(step: int, *, lr: float, warmup_steps: int, total_steps: int, schedule: str = "cosine") -> float:
    """The rate of step 1, 2, ... total_steps: linear from lr / warmup_steps up to lr, then half a cosine down to 0.

    With the constant schedule it stays where it is after the warm-up.
    """
    if step <= warmup_steps:
        return lr * step / warmup_steps
    if schedule == "constant":
        return lr
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return lr * 0.5 * (1 + math.cos(math.pi * progress))
