"""Any corruption by its name: `corrupted` maps uint8 images to uint8 images, the same bytes in any batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ....tables.corruptions import CORRUPTIONS, Constants
from ..transform import Draws
from . import (
    blurs,
    colour,
    elastic,
    exact,
    frost,
    glass,
    jpeg,
    motion,
    noise,
    pixelate,
    spatter,
    spectral,
    stored,
    weather,
)  # fmt: skip
from .keyed import Keyed

Function = Callable[[Tensor, Constants, Keyed], Tensor]  # of grey levels 0..255, float64 (B, C, H, W)

_OF_NAME: dict[str, Function] = {
    function.__name__: function
    for function in (
        noise.gaussian_noise, noise.shot_noise, noise.impulse_noise, noise.speckle_noise, blurs.defocus_blur,
        glass.glass_blur, motion.motion_blur, blurs.zoom_blur, blurs.gaussian_blur, weather.snow, weather.fog,
        spatter.spatter, frost.frost_procedural, colour.brightness, colour.contrast, colour.saturate,
        elastic.elastic_transform, pixelate.pixelate, jpeg.jpeg_compression, spectral.blue_noise_sample,
        spectral.brownish_noise, spectral.checkerboard_cutout,
    )
}  # fmt: skip
_AT_ONCE = 1 << 21  # values of a chunk: 16 MB in float64


def corrupted(
    images: Tensor, name: str, severity: int, *, seed: int, rows: Tensor, more: Mapping[str, Function] | None = None
) -> Tensor:  # fmt: skip
    """Return images after a corruption: uint8 (B, C, H, W) -> uint8 (B, C, H, W), clipped to 0..255 and truncated.

    Severity 0 changes nothing. Draws are keyed by (seed, name, severity, row), and every sum is exact, so that an image
    has the same bytes in any batch and order. `rows` int64 (B,) are the rows as published. `more` are functions of
    names that need data, such as frost.
    """
    if severity == 0:
        return images
    function = (more or {}).get(name) or _OF_NAME[name]
    constants = CORRUPTIONS[name].at(tuple(images.shape[2:]), severity)
    size = max(1, _AT_ONCE // max(1, images[0].numel()))
    parts = [
        exact.truncated(function(some.double(), constants, Keyed(seed, name, severity, some_rows)).clamp_(0, 255))
        for some, some_rows in zip(images.split(size), rows.split(size), strict=True)
    ]
    return torch.cat(parts).to(torch.uint8)


@dataclass(frozen=True)
class Corrupt:
    """`corrupted` as a transform of a batch of stored images, on their device. Draws are keyed by published row."""

    name: str
    severity: int
    seed: int
    more: Mapping[str, Function] | None = None
    in_training_only = False

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the corrupted batch. Targets do not change."""
        assert draws.rows is not None, "a split has rows"
        return corrupted(inputs, self.name, self.severity, seed=self.seed, rows=draws.rows, more=self.more), targets


@dataclass(frozen=True)
class AtSide:
    """Stored images squashed to another side before they are corrupted."""

    side: int
    in_training_only = False

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the resized batch. Targets do not change."""
        del draws
        return stored.resized(inputs, self.side), targets
