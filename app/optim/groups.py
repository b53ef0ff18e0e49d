"""Parameter groups: which parameters decay, and the factor of each group's learning rate."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn

from .layers import scales

_NEVER_DECAYED = {"cls", "positions", "cls_token", "dist_token", "reg_token", "pos_embed"}  # ours, then timm's


def parameter_groups(model: nn.Module, weight_decay: float, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """Return two groups per layer: matrices, which decay, and norms, biases, positions, cls and lambdas, which do not.

    A model may name further parameters that do not decay, as timm's do: `no_weight_decay() -> set[str]`. The loop gives
    each group the learning rate times its `lr_scale`. At `layer_decay` 1 all layers are one, of scale 1.
    """
    named = _NEVER_DECAYED | set(getattr(model, "no_weight_decay", set)())
    scale = scales(model, layer_decay)
    groups: dict[tuple[float, bool], list[tuple[str, nn.Parameter]]] = {}
    for factor in sorted({*scale.values()}):
        groups |= {(factor, True): [], (factor, False): []}
    for name, parameter in model.named_parameters():
        exempt = parameter.dim() < 2 or name in named or name.endswith("bias") or "lambda" in name
        groups[scale[name], not exempt].append((name, parameter))
    return [
        {"params": parameters, "weight_decay": weight_decay if decays else 0.0, "lr_scale": factor}
        for (factor, decays), parameters in groups.items()
    ]


def parted(groups: list[dict[str, Any]], names: Collection[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the groups with the parameters of these names only, and those with all others. None is empty."""
    chosen = [_with(group, names, chosen=True) for group in groups]
    others = [_with(group, names, chosen=False) for group in groups]
    return [group for group in chosen if group["params"]], [group for group in others if group["params"]]


def _with(group: dict[str, Any], names: Collection[str], *, chosen: bool) -> dict[str, Any]:
    return {**group, "params": [each for each in group["params"] if (each[0] in names) == chosen]}
