"""Augmentation on the device, a batch at a time; every draw is keyed by (seed, epoch, example)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from app import draws

_TOP, _LEFT, _FLIP = range(3)


def flip_crop(images: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """A random crop from the zero-padded image (an eighth of the side: 4 px at 32), flipped left to right at evens.

    uint8 (B, C, S, S), int64 (B,) -> uint8 (B, C, S, S); as torchvision's RandomCrop(S, padding=S // 8) and
    RandomHorizontalFlip.
    """
    batch, channels, side, _ = images.shape
    pad = max(1, side // 8)
    stream = [draws.key(draws.AUGMENT, seed, epoch, which) for which in (_TOP, _LEFT, _FLIP)]
    top = draws.integers(stream[_TOP], examples, 2 * pad + 1)
    left = draws.integers(stream[_LEFT], examples, 2 * pad + 1)
    flip = draws.integers(stream[_FLIP], examples, 2).bool()
    along = torch.arange(side, device=images.device)
    rows = top[:, None] + along  # (B, S)
    columns = left[:, None] + torch.where(flip[:, None], along.flip(0), along)  # (B, S)
    padded = F.pad(images, (pad, pad, pad, pad))
    index = torch.arange(batch, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[index, channel, rows[:, None, :, None], columns[:, None, None, :]]


AUGMENTATIONS = {"flip_crop": flip_crop}


def to_input(images: Tensor, *, side: int, mean: Tensor, std: Tensor) -> Tensor:
    """What a model sees: uint8 (B, C, S, S) -> float32 (B, C, side, side), resized bilinearly, then normalised."""
    x = images.float() / 255
    if x.shape[-1] != side:
        x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    return (x - mean[:, None, None]) / std[:, None, None]
