"""RandAugment (arXiv:1909.13719, section 3.1) and TrivialAugment (arXiv:2103.10158, section 3) of a batch.

Every draw is keyed by (seed, epoch, example).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ... import draws as keyed
from . import operations
from .operations import BINS, OPERATIONS, Space
from .transform import Draws

LAYERS = 2
MAGNITUDE = 9
RAND = Space(shear=0.3, translate=150 / 331, rotate=30.0, enhance=0.9, bits=4)
TRIVIAL = Space(shear=0.99, translate=32.0, rotate=135.0, enhance=0.99, bits=6)
_OPERATION, _SIGN = 3, 4  # parts of a draw's key, after those of flip_crop
_TRIVIAL = 9
_TRIVIAL_OPERATION, _TRIVIAL_MAGNITUDE, _TRIVIAL_SIGN = range(3)


def randaugment(images: Tensor, *, examples: Tensor, seed: int, epoch: int, magnitude: int = MAGNITUDE) -> Tensor:
    """Apply two operations to each example, drawn uniformly from the fourteen and from both signs.

    uint8 (B, C, S, S), int64 (B,) -> uint8 (B, C, S, S). Grey levels are rounded once, at the end.
    """
    x = images.float() / 255
    for layer in range(LAYERS):
        which, negative = drawn(examples, seed=seed, epoch=epoch, layer=layer)
        x = applied(x, which, negative, magnitude)
    return _rounded(x)


def drawn(examples: Tensor, *, seed: int, epoch: int, layer: int) -> tuple[Tensor, Tensor]:
    """Return each example's operation as an index of OPERATIONS, and 1 if it is negative: int64 (B,) each."""
    which = keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _OPERATION, layer), examples, len(OPERATIONS))
    return which, keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _SIGN, layer), examples, 2)


def applied(x: Tensor, which: Tensor, negative: Tensor, magnitude: int = MAGNITUDE) -> Tensor:
    """Return each example after RandAugment's operation: float (B, C, S, S) in [0, 1], int64 (B,) twice."""
    strengths = operations.drawn(RAND, x.shape[-1], which=which, magnitude=magnitude, negative=negative)
    return operations.applied(x, which, strengths)


def trivialaugment(images: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Apply one operation to each example, with operation, sign and magnitude in 0..30 drawn uniformly.

    uint8 (B, C, S, S), int64 (B,) -> uint8 (B, C, S, S). This is torchvision's TrivialAugmentWide, whose translations
    of up to 32 px do not depend on the side.
    """
    which, magnitude, negative = trivially_drawn(examples, seed=seed, epoch=epoch)
    strengths = operations.drawn(TRIVIAL, images.shape[-1], which=which, magnitude=magnitude, negative=negative)
    return _rounded(operations.applied(images.float() / 255, which, strengths))


def trivially_drawn(examples: Tensor, *, seed: int, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return each example's operation, its magnitude, and 1 if it is negative: int64 (B,) each."""
    parts = ((_TRIVIAL_OPERATION, len(OPERATIONS)), (_TRIVIAL_MAGNITUDE, BINS), (_TRIVIAL_SIGN, 2))
    found = [
        keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _TRIVIAL, part), examples, below) for part, below in parts
    ]
    return found[0], found[1], found[2]


def _rounded(x: Tensor) -> Tensor:
    return (x * 255).round_().to(torch.uint8)


@dataclass(frozen=True)
class RandAugment:
    """RandAugment with two operations at a magnitude of 0..30, as a transform of a batch, in training only."""

    magnitude: int = MAGNITUDE
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with each image after the operations drawn for it. Targets do not change."""
        return randaugment(inputs, **draws.keys(), magnitude=self.magnitude), targets


@dataclass(frozen=True)
class TrivialAugment:
    """TrivialAugment as a transform of a batch, in training only."""

    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with each image after the operation drawn for it. Targets do not change."""
        return trivialaugment(inputs, **draws.keys()), targets
