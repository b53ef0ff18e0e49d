"""Augmentation on the device, a batch at a time; every draw is keyed by (seed, epoch, example).

All have one law: uint8 (B, C, H, W) and int64 (B,) -> uint8 (B, C, H, W), without waiting for the device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import draws
from ...tables.shape import Extent, plane
from . import randaugment
from .resize import resized

_TOP, _LEFT, _FLIP = range(3)


def flip_crop(images: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """A random crop from the zero-padded image (an eighth of each side: 4 px at 32), flipped left to right at evens.

    uint8 (B, C, H, W), int64 (B,) -> uint8 (B, C, H, W); of a square as torchvision's RandomCrop(S, padding=S // 8) and
    RandomHorizontalFlip.
    """
    batch, channels, height, width = images.shape
    above, beside = max(1, height // 8), max(1, width // 8)
    stream = [draws.key(draws.AUGMENT, seed, epoch, which) for which in (_TOP, _LEFT, _FLIP)]
    top = draws.integers(stream[_TOP], examples, 2 * above + 1)
    left = draws.integers(stream[_LEFT], examples, 2 * beside + 1)
    flip = draws.integers(stream[_FLIP], examples, 2).bool()
    down, along = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows = top[:, None] + down  # (B, H)
    columns = left[:, None] + torch.where(flip[:, None], along.flip(0), along)  # (B, W)
    at = (rows * (width + 2 * beside))[:, :, None] + columns[:, None, :]  # (B, H, W)
    padded = F.pad(images, (beside, beside, above, above)).flatten(2)
    return padded.gather(2, at.view(batch, 1, -1).expand(-1, channels, -1)).view_as(images)


def flip_crop_randaugment(images: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """`flip_crop`, then RandAugment with two operations at magnitude 9 of 30 (arXiv:1909.13719, section 3.1)."""
    cropped = flip_crop(images, examples=examples, seed=seed, epoch=epoch)
    return randaugment.randaugment(cropped, examples=examples, seed=seed, epoch=epoch)


AUGMENTATIONS = {"flip_crop": flip_crop, "randaugment": flip_crop_randaugment}


def to_input(images: Tensor, *, side: Extent, mean: Tensor, std: Tensor) -> Tensor:
    """What a model sees: uint8 (B, C, H, W) -> float32 (B, C, H', W'), resized bilinearly, and normalised.

    Both are linear and every pixel's weights sum to one, so the smaller of the two images is normalised.
    """
    x = images.float()
    if images.shape[-2] * images.shape[-1] > math.prod(plane(side)):
        x = resized(x, side)
    x.mul_((1 / (255 * std))[:, None, None]).sub_((mean / std)[:, None, None])
    return resized(x, side)
