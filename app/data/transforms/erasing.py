"""Erased parts of the model's inputs: Cutout (arXiv:1708.04552) and Random Erasing (arXiv:1708.04896, section 3.2).

The inputs are normalised, so that 0 is the mean of each channel. Every draw is keyed by (seed, epoch, example).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ... import draws as keyed
from .transform import Draws

_CUTOUT, _ERASING = 11, 12  # parts of a draw's key
_WHETHER, _AREA, _RATIO, _TOP, _LEFT, _RADIUS, _ANGLE = range(7)
_AREAS, _RATIOS = (0.02, 0.33), (0.3, 3.3)
_ATTEMPTS = 10


def inside(
    height: int, width: int, top: Tensor, left: Tensor, tall: Tensor, wide: Tensor
) -> Tensor:  # fmt: skip
    """Return whether a pixel is in its example's rectangle: int64 (B,) four times -> bool (B, 1, H, W).

    A rectangle may reach beyond the image.
    """
    down, across = torch.arange(height, device=top.device), torch.arange(width, device=top.device)
    rows = (down >= top[:, None]) & (down < (top + tall)[:, None])  # (B, H)
    columns = (across >= left[:, None]) & (across < (left + wide)[:, None])  # (B, W)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def cutout_mask(height: int, width: int, share: float, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return the pixels of a square around a uniformly drawn pixel, clipped at the edges: bool (B, 1, H, W).

    Its side is `share` of the shorter side, rounded down to an even number of pixels, 2 at least.
    """
    half = max(1, int(share * min(height, width) + 1e-9) // 2)
    top, left = (
        keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _CUTOUT, part), examples, size) - half
        for part, size in ((_TOP, height), (_LEFT, width))
    )
    side = torch.full_like(top, 2 * half)
    return inside(height, width, top, left, side, side)


def erasing_mask(height: int, width: int, probability: float, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return the pixels of a random rectangle, or none with 1 - probability: bool (B, 1, H, W).

    Its area is uniform from 2 to 33 % of the image's, and the logarithm of height / width uniform between those of 0.3
    and 3.3. The first of ten attempts that is smaller than the image in both directions is used, else none.
    """

    def uniform(part: int) -> Tensor:
        streams = [keyed.key(keyed.AUGMENT, seed, epoch, _ERASING, part, attempt) for attempt in range(_ATTEMPTS)]
        return torch.stack([keyed.uniform(stream, examples) for stream in streams])  # (10, B)

    areas = height * width * (_AREAS[0] + (_AREAS[1] - _AREAS[0]) * uniform(_AREA))
    low, high = map(math.log, _RATIOS)
    ratios = torch.exp(low + (high - low) * uniform(_RATIO))
    tall, wide = torch.round(torch.sqrt(areas * ratios)).long(), torch.round(torch.sqrt(areas / ratios)).long()
    fits = (tall < height) & (wide < width)
    first = fits.int().argmax(0, keepdim=True)
    tall, wide = tall.gather(0, first)[0], wide.gather(0, first)[0]
    chosen = keyed.uniform(keyed.key(keyed.AUGMENT, seed, epoch, _ERASING, _WHETHER), examples) < probability
    top, left = (
        keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _ERASING, part), examples, room.clamp(min=0) + 1)
        for part, room in ((_TOP, height - tall), (_LEFT, width - wide))
    )
    return inside(height, width, top, left, tall, wide) & (chosen & fits.any(0))[:, None, None, None]


def noise(like: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return standard normal noise for each value, by Box and Muller's transform: float (B, C, H, W)."""
    count = like[0].numel()
    places = examples[:, None] * count + torch.arange(count, device=like.device)  # (B, C H W)
    radius, angle = (
        keyed.uniform(keyed.key(keyed.AUGMENT, seed, epoch, _ERASING, part), places) for part in (_RADIUS, _ANGLE)
    )
    drawn = torch.sqrt(-2 * torch.log1p(-radius)) * torch.cos(2 * math.pi * angle)
    return drawn.to(like.dtype).view_as(like)


@dataclass(frozen=True)
class Cutout:
    """A square set to the channel means, as a transform of a batch of normalised inputs, in training only."""

    share: float  # of the shorter side
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with a square of each input erased. Targets do not change."""
        height, width = inputs.shape[-2:]
        return inputs.masked_fill(cutout_mask(height, width, self.share, **draws.keys()), 0.0), targets


@dataclass(frozen=True)
class Erasing:
    """A random rectangle set to the channel means or to noise, as a transform of a batch, in training only."""

    probability: float
    noisy: bool = False
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with a rectangle of some inputs erased. Targets do not change."""
        height, width = inputs.shape[-2:]
        mask = erasing_mask(height, width, self.probability, **draws.keys())
        filling = noise(inputs, **draws.keys()) if self.noisy else torch.zeros_like(inputs)
        return torch.where(mask, filling, inputs), targets
