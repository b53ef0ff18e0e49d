"""The preprocessing that the weights of a run need, as the header of their file states it."""

from __future__ import annotations

from typing import Any

from ..config.effects import kind_of
from ..config.run import RunConfig
from .parts import DataRecord

INTERPOLATION = "bilinear"  # with antialias, as Pillow's; part of every run ID as `resize`


def preprocessing(config: RunConfig, data: DataRecord) -> dict[str, Any]:
    """Return the shape of one input and, for images, how they are resized and normalised.

    An image is squashed to `stored_side` and then to the shape of the input, both with this interpolation. Its channels
    are divided by 255, and become (x - mean) / std. Fields and signals are not normalised, so they have a shape only.
    """
    found: dict[str, Any] = {"input_shape": list(config.input_shape)}
    if kind_of(config.dataset) != "image":
        return found
    of_pixels = {"mean": data.mean, "std": data.std}
    found |= {name: value for name, value in of_pixels.items() if value is not None}
    return found | {"interpolation": INTERPOLATION, "stored_side": config.stored_side}
