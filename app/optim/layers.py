"""The layer of each parameter, for a learning rate that falls from the head to the input (arXiv:2106.08254)."""

from __future__ import annotations

import re

from torch import nn

_BLOCK = re.compile(r"blocks\.(\d+)\.")


def layers(model: nn.Module) -> dict[str, int]:
    """Return the layer of each trainable parameter by name, from 0 at the input to the last, which is the head.

    Layer 0 is what comes before the blocks: patches, cls token, positions, tokens-to-token module. Block i is layer
    i + 1, the norm after the blocks is in the last block's layer, and the head is a layer. A model of timm's states its
    layers itself (`group_matcher`), which agree with these for a ViT.
    """
    if callable(matcher := getattr(model, "group_matcher", None)):
        from timm.models import group_parameters  # imported already, since the model is timm's

        found: dict[str, int] = group_parameters(model, matcher(coarse=False), reverse=True)
        return found
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    depth = 1 + max(int(block[1]) for name in names if (block := _BLOCK.match(name)))
    return {name: _layer(name, depth) for name in names}


def scales(model: nn.Module, decay: float) -> dict[str, float]:
    """Return the factor of each parameter's learning rate by name: decay^(L - 1 - i) for layer i of L."""
    if decay == 1:
        return {name: 1.0 for name, _ in model.named_parameters()}
    found = layers(model)
    last = max(found.values())
    return {name: decay ** (last - found.get(name, last)) for name, _ in model.named_parameters()}


def _layer(name: str, depth: int) -> int:
    if block := _BLOCK.match(name):
        return int(block[1]) + 1
    return {"norm": depth, "head": depth + 1}.get(name.partition(".")[0], 0)
