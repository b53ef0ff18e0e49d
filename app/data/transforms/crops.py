"""Random resized crops (arXiv:1409.4842, section 6) of a batch on its device.

Every draw is keyed by (seed, epoch, example).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ... import draws as keyed
from .transform import Draws

_PART = 7  # of a draw's key
_AREA, _RATIO, _TOP, _LEFT = range(4)
_RATIOS = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def boxes(
    height: int, width: int, least: float, *, examples: Tensor, seed: int, epoch: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Return top, left, height and width of each example's part, int64 (B,) each, as torchvision draws them.

    The area is uniform from `least` to 1 of the image's, the logarithm of width / height uniform between those of 3/4
    and 4/3. The first of ten attempts that fits is used, and else the largest central part of such a ratio.
    """

    def uniform(part: int) -> Tensor:
        streams = [keyed.key(keyed.AUGMENT, seed, epoch, _PART, part, attempt) for attempt in range(_ATTEMPTS)]
        return torch.stack([keyed.uniform(stream, examples) for stream in streams])  # (10, B)

    areas = height * width * (least + (1 - least) * uniform(_AREA))
    low, high = map(math.log, _RATIOS)
    ratios = torch.exp(low + (high - low) * uniform(_RATIO))
    wide, tall = torch.round(torch.sqrt(areas * ratios)), torch.round(torch.sqrt(areas / ratios))
    fits = (wide > 0) & (wide <= width) & (tall > 0) & (tall <= height)
    first, any_fits = fits.int().argmax(0, keepdim=True), fits.any(0)
    central_height, central_width = central(height, width)
    tall = torch.where(any_fits, tall.gather(0, first)[0], float(central_height)).long()
    wide = torch.where(any_fits, wide.gather(0, first)[0], float(central_width)).long()
    top, left = (
        keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _PART, part), examples, room + 1)
        for part, room in ((_TOP, height - tall), (_LEFT, width - wide))
    )
    return (
        torch.where(any_fits, top, (height - tall) // 2), torch.where(any_fits, left, (width - wide) // 2), tall, wide,
    )  # fmt: skip


def central(height: int, width: int) -> tuple[int, int]:
    """Return height and width of the largest part with a ratio of 3/4 to 4/3."""
    if width / height < _RATIOS[0]:
        return round(width / _RATIOS[0]), width
    if width / height > _RATIOS[1]:
        return height, round(height * _RATIOS[1])
    return height, width


def resized_crop(images: Tensor, least: float, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return a random part of each image, resized to the image's size: uint8 (B, C, H, W) -> uint8 (B, C, H, W).

    The resize is bilinear. No part is larger than the image, so that antialiasing would change nothing.
    """
    height, width = images.shape[-2:]
    top, left, tall, wide = boxes(height, width, least, examples=examples, seed=seed, epoch=epoch)
    x = _stretched(images.float(), top, tall, axis=2)
    return _stretched(x, left, wide, axis=3).round_().to(torch.uint8)


def _stretched(x: Tensor, first: Tensor, size: Tensor, *, axis: int) -> Tensor:
    """Return x with `size` pixels from `first` on, int64 (B,), resized to the axis's length by linear interpolation."""
    length = x.shape[axis]
    at = (torch.arange(length, device=x.device) + 0.5) * (size[:, None] / length) - 0.5  # (B, length)
    at = at.clamp_(min=0)
    low = at.floor()
    share = at - low
    lower = first[:, None] + low.long()
    upper = torch.minimum(lower + 1, (first + size - 1)[:, None])
    shape = [len(x), 1, length, 1] if axis == 2 else [len(x), 1, 1, length]
    whole = list(x.shape)
    below, above = (x.gather(axis, each.view(shape).expand(whole)) for each in (lower, upper))
    return torch.lerp(below, above, share.view(shape).to(x.dtype))


@dataclass(frozen=True)
class ResizedCrop:
    """`resized_crop` as a transform of a batch, in training only."""

    least: float  # share of the image's area
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with a random part of each image. Targets do not change."""
        return resized_crop(inputs, self.least, **draws.keys()), targets
