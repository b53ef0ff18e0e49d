"""Parameter groups: which parameters decay, and the factor of each group's learning rate."""

from __future__ import annotations

from typing import Any

from torch import nn

_NEVER_DECAYED = {"cls", "positions", "cls_token", "dist_token", "reg_token", "pos_embed"}  # ours, then timm's


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return two groups: matrices, which decay, and norms, biases, positions, cls and lambdas, which do not.

    A model may name further parameters that do not decay, as timm's do: `no_weight_decay() -> set[str]`. The loop gives
    each group the learning rate times its `lr_scale`.
    """
    named = _NEVER_DECAYED | set(getattr(model, "no_weight_decay", set)())
    decayed: list[tuple[str, nn.Parameter]] = []
    plain: list[tuple[str, nn.Parameter]] = []
    for name, parameter in model.named_parameters():
        exempt = parameter.dim() < 2 or name in named or name.endswith("bias") or "lambda" in name
        (plain if exempt else decayed).append((name, parameter))
    return [
        {"params": decayed, "weight_decay": weight_decay, "lr_scale": 1.0},
        {"params": plain, "weight_decay": 0.0, "lr_scale": 1.0},
    ]
