"""The attention maps of a model for given images, layer by layer, for inspection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from ...errors import InputError
from .layer import Attention, Maps


def maps_of(model: nn.Module, images: Tensor, *, gradients: bool = False) -> Iterator[Maps]:
    """Return the maps of every attention layer, first layer first, for images (B, channels, H, W).

    The model runs once in eval mode and without compiled programs, and its mode is restored. The maps of a layer are
    computed when the iterator reaches it, because all of them together need depth H N^2 numbers per image. For a
    T2T-ViT they are its backbone's. The maps can be differentiated only with `gradients`. Raises InputError for other
    models.
    """
    layers = [module for module in model.modules() if isinstance(module, Attention)]
    if not layers:
        raise InputError(
            f"a {type(model).__name__} has no attention maps that can be computed here. Only ViT and T2T-ViT models "
            "of isoscale have them. Use a model with an `attention` option"
        )
    inputs = _inputs(model, layers, images, gradients=gradients)
    return (layer.maps(x, gradients=gradients) for layer, x in zip(layers, inputs, strict=True))


def _inputs(model: nn.Module, layers: list[Attention], images: Tensor, *, gradients: bool) -> list[Tensor]:
    """Return the inputs of each layer in one forward pass, (B, N, D) each.

    A compiled block ignores hooks that were added later, so programs are switched off for the pass.
    """
    found: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[layer] = given[0]

    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.register_forward_pre_hook(note).remove)
        stack.enter_context(evaluating(model))
        stack.enter_context(torch.set_grad_enabled(gradients))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        model(images)
    return [found[layer] for layer in layers]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model into eval mode, and restore the mode of every module at the end."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
