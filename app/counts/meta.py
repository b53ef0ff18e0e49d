"""Counts of any model, measured on the meta device, where a tensor has a shape but no values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..tables.shape import Extent, extent

_IMAGES = 2  # images counted together: a batch norm needs more than one value per channel
# what an initialisation calls; without numbers there is nothing to set, and five sixths of a build's time are saved
_SETTING = {
    "add_", "clamp_", "copy_", "div_", "erfinv_", "fill_", "kaiming_uniform_", "mul_", "normal_", "sub_",
    "trunc_normal_", "uniform_", "zero_",
}  # fmt: skip
_TOKENS = ("cls_token", "dist_token", "reg_token", "pos_embed")


@dataclass(frozen=True)
class Counts:
    """Counts for one image: trainable parameters (all, without embeddings), forward FLOPs, tokens, bytes kept."""

    parameters: int
    non_embedding: int
    flops: int
    tokens: int
    activation_bytes: int  # for the backward pass, in float32


class _Unset(TorchFunctionMode):
    """A context that skips every initialisation of a meta tensor."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in _SETTING:
            tensor = args[0] if args else given.get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        return func(*args, **given)


def built(build: Callable[[], nn.Module]) -> nn.Module:
    """Return the model on the meta device."""
    with torch.device("meta"), _Unset():
        return build()


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out torch's warning about the speed of a convolution, since nothing is computed on the meta device."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same'")
        yield


def parameters(build: Callable[[], nn.Module]) -> int:
    """Return the trainable parameters."""
    return _trainable(built(build))


def counted(build: Callable[[], nn.Module], channels: int, image: Extent) -> Counts:
    """Return all counts of a model over images with a side, or (H, W).

    FLOPs are FlopCounterMode's: 2 per multiply-add of convolutions and matrix products. The bytes are those of the
    tensors that autograd saves, without parameters and buffers, each storage counted once.
    """
    from torch.utils.flop_counter import FlopCounterMode  # which imports triton

    model = built(build).train()
    with torch.device("meta"):
        images = torch.empty(_IMAGES, channels, *extent(image))
        with FlopCounterMode(display=False) as flops, quiet():
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
    """Return timm's patch embedding, the module that knows the number of patches, or None if there are no tokens."""
    return next((module for module in model.modules() if isinstance(getattr(module, "num_patches", None), int)), None)


def _saved_bytes(model: nn.Module, images: Tensor) -> int:
    """Return the bytes of storage that autograd saves in a forward pass, without parameters and buffers."""
    held = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    saved: dict[int, Any] = {}  # the storages stay alive, so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved.setdefault(storage._cdata, storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(images)
    return sum(storage.nbytes() for address, storage in saved.items() if address not in held)
