"""Random crops, flips and turns of a batch on its device. Every draw is keyed by (seed, epoch, example)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import draws as keyed
from .transform import Draws

_TOP, _LEFT, _FLIP = range(3)  # parts of a draw's key; 3 and 4 are RandAugment's
_UPSIDE_DOWN, _TURN = 5, 6


def flip_crop(images: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return a random crop of each zero-padded image, flipped left to right with probability 1/2.

    The padding is an eighth of each side, 4 px at 32. uint8 (B, C, H, W), int64 (B,) -> uint8 (B, C, H, W). On square
    images this is torchvision's RandomCrop(S, padding=S // 8) and RandomHorizontalFlip.
    """
    batch, channels, height, width = images.shape
    above, beside = max(1, height // 8), max(1, width // 8)
    stream = [keyed.key(keyed.AUGMENT, seed, epoch, which) for which in (_TOP, _LEFT, _FLIP)]
    top = keyed.integers(stream[_TOP], examples, 2 * above + 1)
    left = keyed.integers(stream[_LEFT], examples, 2 * beside + 1)
    flip = keyed.integers(stream[_FLIP], examples, 2).bool()
    down, along = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows = top[:, None] + down  # (B, H)
    columns = left[:, None] + torch.where(flip[:, None], along.flip(0), along)  # (B, W)
    at = (rows * (width + 2 * beside))[:, :, None] + columns[:, None, :]  # (B, H, W)
    padded = F.pad(images, (beside, beside, above, above)).flatten(2)
    return padded.gather(2, at.view(batch, 1, -1).expand(-1, channels, -1)).view_as(images)


def flipped(images: Tensor, *, examples: Tensor, seed: int, epoch: int, vertically: bool = False) -> Tensor:
    """Return each image flipped left to right, or upside down, with probability 1/2: (B, C, H, W) -> (B, C, H, W)."""
    part, axis = (_UPSIDE_DOWN, 2) if vertically else (_FLIP, 3)
    flip = keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, part), examples, 2).bool()
    return torch.where(flip[:, None, None, None], images.flip(axis), images)


def turned(images: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return each image turned by 0, 90, 180 or 270 degrees, uniformly: (B, C, S, S) -> (B, C, S, S)."""
    quarters = keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _TURN), examples, 4)[:, None, None, None]
    half = torch.where(quarters >= 2, images.flip((2, 3)), images)
    return torch.where(quarters % 2 == 1, half.rot90(1, (2, 3)), half)


@dataclass(frozen=True)
class FlipCrop:
    """`flip_crop` as a transform of a batch, in training only."""

    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with each image cropped and flipped. Targets do not change."""
        return flip_crop(inputs, **draws.keys()), targets


@dataclass(frozen=True)
class Flip:
    """`flipped` as a transform of a batch, in training only."""

    vertically: bool = False
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with half of its images flipped. Targets do not change."""
        return flipped(inputs, **draws.keys(), vertically=self.vertically), targets


@dataclass(frozen=True)
class Turn:
    """`turned` as a transform of a batch, in training only."""

    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with each image turned by quarters. Targets do not change."""
        return turned(inputs, **draws.keys()), targets
