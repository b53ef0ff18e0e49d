"""The lambda of each layer, of kinds of attention with one lambda per layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .layer import Attention


def lambdas_of(model: nn.Module) -> Tensor | None:
    """Return each layer's lambda, (layers,), or None for a model without one lambda per layer."""
    found = [layer.lambda_full() for layer in _with_lambda(model)]
    return torch.stack(found).detach() if found else None


@contextmanager
def scaled_lambda(model: nn.Module, factor: float) -> Iterator[None]:
    """Multiply the lambda of each layer by a factor within the context. lambda_init stays as it is."""
    layers = _with_lambda(model)
    for layer in layers:
        usual: Callable[[], Tensor] = type(layer).lambda_full.__get__(layer)
        object.__setattr__(layer, "lambda_full", lambda usual=usual: factor * usual())
    try:
        yield
    finally:
        for layer in layers:
            object.__delattr__(layer, "lambda_full")


def _with_lambda(model: nn.Module) -> list[Any]:
    return [each for each in model.modules() if isinstance(each, Attention) and hasattr(each, "lambda_full")]
