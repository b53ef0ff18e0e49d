"""Stochastic depth (arXiv:1603.09382): an example skips a residual branch, by draws that are keyed by the example."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import draws
from ..place import Place


class DropPath(nn.Module):
    """In training, x times 0 with probability `rate`, else times 1 / (1 - rate), example by example: (B, ...).

    `draw` gives it the factors of a micro-batch. Without them, as in measurements, and in evaluation it returns x.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.factors: Tensor | None = None  # float32 (B,)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.factors is None:
            return x
        return x * self.factors.to(x.dtype).view(-1, *[1] * (x.dim() - 1))

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}"


def rates(rate: float, depth: int) -> list[float]:
    """Return the rate of each block, from 0 in the first to `rate` in the last, in equal steps."""
    return [rate * layer / max(1, depth - 1) for layer in range(depth)]


def paths(model: nn.Module) -> list[DropPath]:
    """Return the modules of a model that drop something, in the model's order."""
    return [module for module in model.modules() if isinstance(module, DropPath) and module.rate]


def draw(dropping: list[DropPath], examples: np.ndarray, *, place: Place, key: tuple[int, int]) -> None:
    """Give each module its factors for a micro-batch of these examples, (B,) int64 or pairs, at a (seed, step).

    A pair of `data.transforms.mixing` counts as its first example. A draw depends on the seed, the step, the module's
    place in the model and the example only. So neither the micro-batch, the ranks nor an interruption change it.
    """
    numbers = examples["example"] if examples.dtype.names else examples
    streams = [draws.key(draws.DROP_PATH, *key, at) for at in range(len(dropping))]
    stream: Any = np.array(streams, np.int64)[:, None]
    uniform = draws.uniform(stream, np.asarray(numbers, np.int64)[None])  # (M, B)
    kept = 1 - np.array([module.rate for module in dropping])[:, None]
    factors = place.send(torch.from_numpy(np.where(uniform < kept, 1 / kept, 0).astype(np.float32)))
    for module, own in zip(dropping, factors, strict=True):
        module.factors = own


def keyed(model: nn.Module) -> nn.Module:
    """Return a model that timm built, with our modules in place of timm's, whose draws have no key."""
    from timm.layers import DropPath as OfTimm  # imported already, since the model is timm's

    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, OfTimm):
                rate: Any = child.drop_prob
                setattr(module, name, DropPath(float(rate or 0)))
    return model
