"""The list of transforms that are applied to a split's batches, in order."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from ...tables.shape import Extent, plane
from .augment import FlipCrop
from .normalise import Normalise
from .randaugment import RandAugment
from .resize import Resize
from .transform import Draws, Transform

_AUGMENTATIONS: dict[str, tuple[Transform, ...]] = {
    "none": (),
    "flip_crop": (FlipCrop(),),
    "randaugment": (FlipCrop(), RandAugment()),
}


def of_images(
    augment: str, *, stored: Extent, side: Extent, mean: Tensor, std: Tensor
) -> tuple[Transform, ...]:  # fmt: skip
    """Return the augmentation at the stored side, then the resize and the normalisation.

    Both are linear and every pixel's weights sum to one, so they commute, and the smaller of the two images is
    normalised.
    """
    resize, normalise = Resize(side), Normalise(mean, std)
    shrinks = math.prod(plane(stored)) > math.prod(plane(side))
    return (*_AUGMENTATIONS[augment], *((resize, normalise) if shrinks else (normalise, resize)))


def passed(
    transforms: Sequence[Transform], inputs: Tensor, targets: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return a batch after its transforms. Outside of training, some of them are skipped."""
    for transform in transforms:
        if draws.epoch is not None or not transform.in_training_only:
            inputs, targets = transform(inputs, targets, draws)
    return inputs, targets
