"""Any corruption by its name: `corrupted` maps stored inputs to stored inputs, the same bytes in any batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ....system import devices
from ....tables.corruption import Constants
from ....tables.corruptions import CORRUPTIONS
from ..transform import Draws
from . import (
    blurs,
    colour,
    elastic,
    exact,
    fields,
    frost,
    glass,
    histology,
    jpeg,
    motion,
    noise,
    patterns,
    pixelate,
    spatter,
    spectral,
    stored,
    weather,
)  # fmt: skip
from .keyed import Keyed

Function = Callable[[Tensor, Constants, Keyed], Tensor]  # of grey levels 0..255, or of fields and patterns, float64

_OF_NAME: dict[str, Function] = {
    function.__name__: function
    for function in (
        noise.gaussian_noise, noise.shot_noise, noise.impulse_noise, noise.speckle_noise, blurs.defocus_blur,
        glass.glass_blur, motion.motion_blur, blurs.zoom_blur, blurs.gaussian_blur, weather.snow, weather.fog,
        spatter.spatter, frost.frost_procedural, colour.brightness, colour.contrast, colour.saturate,
        elastic.elastic_transform, pixelate.pixelate, jpeg.jpeg_compression, spectral.blue_noise_sample,
        spectral.brownish_noise, spectral.checkerboard_cutout, histology.stain, histology.scanner_jpeg,
        histology.scanner_defocus, histology.white_balance, histology.gamma, patterns.counting_noise,
        patterns.background, fields.pixel_noise, fields.pixel_blur,
    )
}  # fmt: skip
_AT_ONCE = 1 << 21  # values of a chunk: 16 MB in float64


def corrupted(
    inputs: Tensor, name: str, severity: int, *, seed: int, rows: Tensor, more: Mapping[str, Function] | None = None
) -> Tensor:  # fmt: skip
    """Return inputs after a corruption, in their dtype: uint8 (B, C, H, W), or float (B, C, H, W) or (B, C, L).

    Severity 0 changes nothing. Grey levels are clipped to 0..255 and truncated. Patterns keep their least and largest
    value. Draws are keyed by (seed, name, severity, row), and no sum depends on its order, so that an input has the
    same bytes in any batch and order. `rows` int64 (B,) are the rows as published. `more` are functions of names that
    need data: photographs of frost, or the step between angles (`patterns.in_degrees`).
    """
    if severity == 0:
        return inputs
    row, function = CORRUPTIONS[name], (more or {}).get(name) or _OF_NAME[name]
    constants = row.at(tuple(inputs.shape[2:]), severity)
    size = max(1, _AT_ONCE // max(1, inputs[0].numel()))

    def made(some: Tensor, some_rows: Tensor) -> Tensor:
        return _finished(function(some.double(), constants, Keyed(seed, name, severity, some_rows)), some, row.kind)

    pairs = zip(inputs.split(size), rows.split(size), strict=True)
    return torch.cat([devices.through_float64(made, *pair) for pair in pairs])


def _finished(made: Tensor, given: Tensor, kind: str) -> Tensor:
    """Return corrupted inputs as they are stored."""
    if kind == "image":
        made = exact.truncated(made.clamp_(0, 255))
    elif kind == "signal":
        made = patterns.scaled(made, given.double())
    return made.to(given.dtype)


@dataclass(frozen=True)
class Corrupt:
    """`corrupted` as a transform of a batch of stored inputs, on their device. Draws are keyed by published row."""

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
