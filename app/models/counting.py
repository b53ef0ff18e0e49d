"""Counts of models without a closed form: built on the meta device, where nothing is computed, and measured there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..tables.families import FAMILIES, Family
from ..tables.models import model_row
from ..tables.shape import Extent, Shape, extent
from . import constructor

_IMAGES = 2  # counted together: a batch norm wants more than one value per channel
_TOKENS = ("cls_token", "dist_token", "reg_token", "pos_embed")


@dataclass(frozen=True)
class Build:
    """A constructor and what it is called with: two are equal, and counted once, where both are."""

    constructor: Callable[..., nn.Module]
    arguments: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, constructor: Callable[..., nn.Module], **arguments: Any) -> Build:
        """The call of a constructor with hashable arguments."""
        return cls(constructor, tuple(sorted(arguments.items())))

    def __call__(self) -> nn.Module:
        return self.constructor(**dict(self.arguments))


@dataclass(frozen=True)
class Counts:
    """Of one image: trainable parameters (all, and without embeddings), operations forward, tokens, bytes kept."""

    parameters: int
    non_embedding: int
    flops: int
    tokens: int
    activation_bytes: int  # for the backward pass, in float32


@cache
def parameters(build: Callable[[], nn.Module]) -> int:
    """Trainable parameters."""
    with torch.device("meta"):
        return _trainable(build())


@cache
def counted(build: Callable[[], nn.Module], channels: int, image: Extent) -> Counts:
    """Everything that is counted of a model over images of a side, or (H, W); equal `Build`s are counted once.

    FLOPs are FlopCounterMode's: 2 per multiply-add of convolutions and matrix products. The bytes are those of the
    tensors that autograd saves, without parameters and buffers, each storage once.
    """
    with torch.device("meta"):
        model = build().train()
        images = torch.empty(_IMAGES, channels, *extent(image))
        with FlopCounterMode(display=False) as flops:
            saved = _saved_bytes(model, images)
    embedding = _patches(model)
    own = sum(parameter.numel() for name, parameter in model.named_parameters() if name in _TOKENS)
    own += _trainable(embedding) if embedding else 0
    return Counts(
        parameters=_trainable(model),
        non_embedding=_trainable(model) - own,
        flops=flops.get_total_flops() // _IMAGES,
        tokens=int(embedding.num_patches) + int(getattr(model, "num_prefix_tokens", 0)) if embedding else 1,
        activation_bytes=saved // _IMAGES,
    )


def _trainable(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _patches(model: nn.Module) -> Any:
    """timm's patch embedding, the module that knows their number; None where there are no tokens."""
    return next((module for module in model.modules() if isinstance(getattr(module, "num_patches", None), int)), None)


def _saved_bytes(model: nn.Module, images: Tensor) -> int:
    """Bytes of storage that autograd saves in a forward pass, beside what the model holds anyway."""
    held = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    saved: dict[int, Any] = {}  # the storages stay alive, so that no address is given twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved.setdefault(storage._cdata, storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(images)
    return sum(storage.nbytes() for address, storage in saved.items() if address not in held)


def measured(family: Family, constructor: Callable[..., nn.Module]) -> Family:
    """The family with counts that are measured, for all that reads closed forms of a shape."""

    def build(shape: Shape) -> Build:
        names = ("image", "channels", "classes", *family.cells)
        return Build.of(constructor, **{name: getattr(shape, name) for name in names})

    def counts(shape: Shape) -> Counts:
        return counted(build(shape), shape.channels, shape.image)

    return dataclasses.replace(
        family,
        parameters=lambda shape: parameters(build(shape)),
        embedding_parameters=lambda shape: counts(shape).parameters - counts(shape).non_embedding,
        flops=lambda shape: counts(shape).flops,
        tokens=lambda shape: counts(shape).tokens,
        activation_bytes=lambda shape, **_: counts(shape).activation_bytes,
    )


@cache
def measured_of(model: str) -> Family:
    """The family of a model by name, with counts of what its constructor builds."""
    return measured(FAMILIES[model_row(model).family], constructor(model))
