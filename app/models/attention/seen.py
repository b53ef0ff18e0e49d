"""What every layer of a model computes for given images, in one forward pass: maps, attention logits, hidden states."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...errors import InputError
from ..layers import Block, without_autocast
from .layer import Attention, Maps
from .maps import evaluating

_SOFTMAXES = (torch.Tensor.softmax, torch.softmax, torch.nn.functional.softmax)


class Seen(NamedTuple):
    """One layer of a model for a batch of images."""

    maps: Maps
    scores: Tensor  # (B, n): the finite attention logits of all heads and maps, after scaling
    hidden: Tensor  # (B, N, D): after the block


def seen(model: nn.Module, images: Tensor) -> tuple[Tensor, Iterator[Seen]]:
    """Return the logits (B, classes) of images (B, channels, H, W), and what each block computed, first block first.

    The model runs once, in eval mode and in the images' precision. Maps are those of the plain path, and are computed
    when the iterator reaches the layer. Raises InputError for a model without attention of isoscale.
    """
    blocks = blocks_of(model)
    given: dict[nn.Module, Tensor] = {}
    after: dict[nn.Module, Tensor] = {}
    with ExitStack() as stack:
        for block in blocks:
            stack.callback(block.register_forward_hook(_note(after)).remove)
            stack.callback(block.attention.register_forward_hook(_note_input(given)).remove)
        stack.enter_context(evaluating(model))
        stack.enter_context(torch.no_grad())
        stack.enter_context(without_autocast(images.device.type))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        logits = model(images)
    return logits, (_layer(block, given.pop(block.attention), after.pop(block)) for block in blocks)


def blocks_of(model: nn.Module) -> list[Block]:
    """Return the blocks with attention of isoscale, in order. Raise InputError if the model has none."""
    found = [each for each in model.modules() if isinstance(each, Block) and isinstance(each.attention, Attention)]
    if not found:
        raise InputError(
            f"a {type(model).__name__} has no attention maps. Only ViT and T2T-ViT models of isoscale have them. "
            "Use a run of a model with an `attention` option"
        )
    return found


def patches_of(model: nn.Module) -> slice:
    """Return where the patch tokens are among all tokens: behind the cls token, if there is one."""
    return slice(0 if getattr(model, "cls", None) is None else 1, None)


def largest_difference(model: nn.Module, images: Tensor) -> float:
    """Return the largest difference between each layer's output by its path and by the plain path, in absolute terms.

    Both have the same input, in the images' precision.
    """
    blocks, largest = blocks_of(model), 0.0
    given: dict[nn.Module, Tensor] = {}
    with ExitStack() as stack:
        for block in blocks:
            stack.callback(block.attention.register_forward_hook(_note_input(given)).remove)
        stack.enter_context(evaluating(model))
        stack.enter_context(torch.no_grad())
        stack.enter_context(without_autocast(images.device.type))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        model(images)
    with evaluating(model), torch.no_grad(), without_autocast(images.device.type):
        for block in blocks:
            layer, x = block.attention, given[block.attention]
            assert isinstance(layer, Attention), "blocks_of has checked it"
            usual, path = layer(x), layer.path
            try:
                layer.path = "plain"
                largest = max(largest, float((layer(x) - usual).abs().max()))
            finally:
                layer.path = path
    return largest


def _note(found: dict[nn.Module, Tensor]) -> Callable[..., None]:
    def hook(module: nn.Module, _: Any, output: Tensor) -> None:
        found[module] = output

    return hook


def _note_input(found: dict[nn.Module, Tensor]) -> Callable[..., None]:
    def hook(module: nn.Module, given: tuple[Tensor, ...], _: Any) -> None:
        found[module] = given[0]

    return hook


def _layer(block: Block, x: Tensor, hidden: Tensor) -> Seen:
    layer = block.attention
    assert isinstance(layer, Attention), "blocks_of has checked it"
    with _Scores() as scores:
        maps = layer.maps(x)
    return Seen(maps, torch.cat([_finite(each) for each in scores.found], 1), hidden)


def _finite(scores: Tensor) -> Tensor:
    """Return the logits that are not masked, whose number is the same for every image: (B, ...) -> (B, n)."""
    flat = scores.flatten(1)
    kept = flat[0] > -math.inf
    return flat if bool(kept.all()) else flat[:, kept]


class _Scores(TorchFunctionMode):
    """A context that keeps the argument of every softmax, so that no kind of attention has to return its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        if func in _SOFTMAXES:
            self.found.append(args[0])
        return func(*args, **(kwargs or {}))
