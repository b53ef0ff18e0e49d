"""Colour jitter of a batch on its device, as torchvision's ColorJitter; hue.py has its hue."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from ... import draws as keyed
from .operations import blended
from .transform import Draws

BRIGHTNESS, CONTRAST, SATURATION = range(3)
ORDERS = tuple(permutations((BRIGHTNESS, CONTRAST, SATURATION)))
_PART = 8  # of a draw's key
_ORDER = 3


def drawn(strength: float, *, examples: Tensor, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """Return the factors of brightness, contrast and saturation, and their order as an index of ORDERS.

    float (3, B), uniform from max(0, 1 - strength) to 1 + strength, and int64 (B,).
    """
    low, high = max(0.0, 1 - strength), 1 + strength
    stream = [keyed.key(keyed.AUGMENT, seed, epoch, _PART, part) for part in range(4)]
    factors = torch.stack([low + (high - low) * keyed.uniform(stream[part], examples) for part in range(3)])
    return factors, keyed.integers(stream[_ORDER], examples, len(ORDERS))


def jittered(images: Tensor, strength: float, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return each image with random brightness, contrast and saturation: uint8 (B, C, H, W) -> uint8 (B, C, H, W).

    The three follow each other in a random order. Grey levels are rounded once, at the end.
    """
    factors, order = drawn(strength, examples=examples, seed=seed, epoch=epoch)
    orders = torch.tensor(ORDERS, device=images.device).index_select(0, order).T  # (3, B)
    x = images.float() / 255
    for which in orders:
        colour, contrast = ((which == each)[:, None, None, None] for each in (SATURATION, CONTRAST))
        ratios = factors.gather(0, which[None])[0].float()
        x = blended(x, colour, contrast, torch.zeros_like(colour), ratios)
    return (x * 255).round_().to(torch.uint8)


@dataclass(frozen=True)
class Jitter:
    """`jittered` as a transform of a batch, in training only."""

    strength: float
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with changed colours. Targets do not change."""
        return jittered(inputs, self.strength, **draws.keys()), targets
