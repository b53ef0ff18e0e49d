"""The fourteen operations of RandAugment and TrivialAugment on a batch on its device, each example with one of them.

The operations are those of torchvision's v2 on float images, with nearest-pixel sampling and zeros outside
(arXiv:1909.13719, table 6; arXiv:2103.10158, table 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
    "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip
BINS = 31  # magnitudes 0..30
_GREY = (0.2989, 0.587, 0.114)  # of red, green, blue


@dataclass(frozen=True)
class Space:
    """The strengths of a policy's operations at the highest magnitude; they grow linearly from none at magnitude 0."""

    shear: float  # slope
    translate: float  # pixels, or a share of the side up to 1
    rotate: float  # degrees
    enhance: float  # change of a factor from 1
    bits: float  # that Posterize removes of 8


class Strengths(NamedTuple):
    """The strengths of the operations of some examples, one row each."""

    maps: Tensor  # (n, 6): the affine map from output to input pixels
    ratios: Tensor  # (n,): the share of the image in a blend
    levels: Tensor  # (n,): grey levels that Posterize keeps
    thresholds: Tensor  # (n,): from which Solarize inverts

    def of(self, rows: Tensor) -> Strengths:
        """Return the strengths in these rows: int64 (B,)."""
        return Strengths(*(each.index_select(0, rows) for each in self))


def drawn(space: Space, side: int, *, which: Tensor, magnitude: Tensor | int, negative: Tensor) -> Strengths:
    """Return the strengths of each example from its operation, magnitude in 0..30 and sign: int64 (B,) each."""
    return _table(space, side, which.device).of((which * BINS + magnitude) * 2 + negative)


def applied(x: Tensor, which: Tensor, strengths: Strengths) -> Tensor:
    """Return each example after the operation drawn for it.

    x float (B, C, S, S) in [0, 1], which int64 (B,), strengths of B rows -> (B, C, S, S). Every operation is computed
    for every example and then one is selected, so that shapes do not depend on the draws.
    """
    is_ = {name: (which == number)[:, None, None, None] for number, name in enumerate(OPERATIONS)}
    levels, thresholds = (each[:, None, None, None] for each in (strengths.levels, strengths.thresholds))
    moved = _moved(x, strengths.maps)  # by one of five operations; unchanged at the others
    enhanced = blended(moved, is_["Color"], is_["Contrast"], is_["Sharpness"], strengths.ratios)
    posterized = (moved * levels).floor_().minimum(levels - 1).clamp_(min=0) / levels
    x = torch.where(is_["Posterize"], posterized, enhanced)
    x = torch.where(is_["Solarize"] & (moved >= thresholds), 1 - moved, x)
    x = torch.where(is_["AutoContrast"], _stretched(moved), x)
    return torch.where(is_["Equalize"], _equalized(moved), x)


@lru_cache(maxsize=8)
def _table(space: Space, side: int, device: torch.device) -> Strengths:
    """Return the strengths of every operation, magnitude and sign, positive first: 14 x 31 x 2 rows.

    A map gives the place that an output pixel is read from. Pixels count from the image's centre, and the result is in
    halves of the side, as `grid_sample` expects it. A shear keeps the upper left corner fixed, a translation is by an
    integer number of pixels, and a rotation is counter-clockwise.
    """
    maps, ratios, levels, thresholds = [], [], [], []
    for name in OPERATIONS:
        for magnitude in range(BINS):
            part = magnitude / (BINS - 1)
            for sign in (1, -1):
                maps.append(_map(name, space, side, part, sign))
                ratios.append(space.enhance * part * sign if name in _ENHANCES else 0.0)
                levels.append(float(1 << round(8 - space.bits * part)))
                thresholds.append(1.0 - part)
    with torch.inference_mode(False):
        scaled = (torch.tensor(maps, dtype=torch.float64) / (side / 2)).float()
        numbers = (scaled, 1 + torch.tensor(ratios), torch.tensor(levels), torch.tensor(thresholds))
        return Strengths(*(each.to(device) for each in numbers))


_ENHANCES = ("Brightness", "Color", "Contrast", "Sharpness")


def _map(name: str, space: Space, side: int, part: float, sign: int) -> tuple[float, ...]:
    slope, turn = sign * space.shear * part, math.radians(sign * space.rotate * part)
    farthest = space.translate * side if space.translate <= 1 else space.translate
    shift = float(sign * int(farthest * part))
    return {
        "ShearX": (1.0, slope, slope * side / 2, 0.0, 1.0, 0.0),
        "ShearY": (1.0, 0.0, 0.0, slope, 1.0, slope * side / 2),
        "TranslateX": (1.0, 0.0, -shift, 0.0, 1.0, 0.0),
        "TranslateY": (1.0, 0.0, 0.0, 0.0, 1.0, -shift),
        "Rotate": (math.cos(turn), -math.sin(turn), 0.0, math.sin(turn), math.cos(turn), 0.0),
    }.get(name, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))


def _moved(x: Tensor, maps: Tensor) -> Tensor:
    """Shear, translate or rotate each image: each output pixel is read where the example's affine map points."""
    side = x.shape[-1]
    a, b, c, d, e, f = maps.T[..., None, None]  # (B, 1, 1)
    along = torch.linspace((1 - side) / 2, (side - 1) / 2, side, device=x.device)
    across, down = along[None, None, :], along[None, :, None]
    grid = torch.stack([a * across + b * down + c, d * across + e * down + f], dim=3)  # (B, S, S, 2)
    return F.grid_sample(x, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def blended(x: Tensor, colour: Tensor, contrast: Tensor, sharpness: Tensor, ratios: Tensor) -> Tensor:
    """Return r x + (1 - r) y, clipped to [0, 1]: float (B, C, H, W), ratios r (B,).

    y is the grey image for colour, the mean grey for contrast, the blurred image for sharpness, and else black, which
    is brightness. The three are masks (B, 1, 1, 1).
    """
    grey = _grey(x)
    mean = grey.mean((2, 3), keepdim=True)
    other = torch.where(colour, grey, torch.where(contrast, mean, 0.0))  # (B, 1, H, W)
    other = torch.where(sharpness, _blurred(x), other)
    ratio = ratios[:, None, None, None]
    return (x * ratio + other * (1 - ratio)).clamp_(0, 1)


def _grey(x: Tensor) -> Tensor:
    """Return the grey image: (B, C, H, W) -> (B, 1, H, W)."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.unbind(1)
    return (_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue)[:, None]


def _blurred(x: Tensor) -> Tensor:
    """Return the weighted mean of each pixel (weight 5) and its neighbours (1 each). The image's edge is unchanged."""
    if min(x.shape[-2:]) <= 2:
        return x
    nine = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]  # columns first, then rows
    nine = nine[..., :-2] + nine[..., 1:-1] + nine[..., 2:]  # (B, C, H - 2, W - 2)
    blurred = x.clone()
    blurred[..., 1:-1, 1:-1] = (nine + 4 * x[..., 1:-1, 1:-1]) / 13
    return blurred


def _stretched(x: Tensor) -> Tensor:
    """Stretch each channel from its darkest to its brightest pixel over [0, 1]. A constant channel is unchanged."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    flat = low == high
    return ((x - low.masked_fill(flat, 0)) / (high - low).masked_fill(flat, 1)).clamp_(0, 1)


def _equalized(x: Tensor) -> Tensor:
    """Spread each channel's grey levels so that the histogram is flat, as Pillow's `ImageOps.equalize` does."""
    levels = (x * 255.999).to(torch.uint8).flatten(2).long()  # (B, C, S S)
    return (equalized(levels).float() / 255).view_as(x)


def equalized(levels: Tensor) -> Tensor:
    """Return grey levels spread so that each channel's histogram is flat: int64 (B, C, N) in 0..255 -> (B, C, N).

    This is the arithmetic of Pillow's `ImageOps.equalize`.
    """
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.int64, device=levels.device)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    sums = counts.cumsum(2)
    brightest = counts.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - brightest) // 255
    table = F.pad((sums[..., :-1] + step // 2) // step.clamp(min=1), (1, 0)).clamp_(0, 255)
    return torch.where(step > 0, table.gather(2, levels), levels)
