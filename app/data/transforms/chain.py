"""The list of transforms that are applied to a split's batches, in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from ...tables.augmentations import AUGMENTATIONS, parts
from ...tables.shape import Extent, plane
from .augment import Flip, FlipCrop, Turn
from .crops import ResizedCrop
from .erasing import Cutout, Erasing
from .hue import Hue
from .jitter import Jitter
from .normalise import Normalise
from .randaugment import RandAugment, TrivialAugment
from .resize import Resize
from .transform import Draws, Transform
from .zoo_randaugment import ZooRandAugment

_OF_NAME: dict[str, Callable[[float], Transform]] = {  # by the number of a part, which some ignore
    "flip_crop": lambda _: FlipCrop(),
    "flip": lambda _: Flip(),
    "vflip": lambda _: Flip(vertically=True),
    "rot90": lambda _: Turn(),
    "resized_crop": ResizedCrop,
    "jitter": Jitter,
    "hue": Hue,
    "rand": lambda magnitude: RandAugment(int(magnitude)),
    "trivial": lambda _: TrivialAugment(),
    "zoo_rand": ZooRandAugment,
    "cutout": Cutout,
    "erasing": Erasing,
    "erasing_noise": lambda probability: Erasing(probability, noisy=True),
}


def of_images(
    augment: str, *, stored: Extent, side: Extent, mean: Tensor, std: Tensor
) -> tuple[Transform, ...]:  # fmt: skip
    """Return the augmentation at the stored side, the resize and the normalisation, and late augmentations.

    `augment` is a list that `tables.augmentations` reads. Resize and normalisation are linear and every pixel's weights
    sum to one, so they commute, and the smaller of the two images is normalised.
    """
    resize, normalise = Resize(side), Normalise(mean, std)
    shrinks = math.prod(plane(stored)) > math.prod(plane(side))
    early, late = (
        [_OF_NAME[part.name](part.number or 0) for part in parts(augment) if AUGMENTATIONS[part.name].late == is_late]
        for is_late in (False, True)
    )
    return (*early, *((resize, normalise) if shrinks else (normalise, resize)), *late)


def passed(
    transforms: Sequence[Transform], inputs: Tensor, targets: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return a batch after its transforms. Outside of training, some of them are skipped."""
    for transform in transforms:
        if draws.epoch is not None or not transform.in_training_only:
            inputs, targets = transform(inputs, targets, draws)
    return inputs, targets
