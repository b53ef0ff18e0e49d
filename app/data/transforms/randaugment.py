"""RandAugment (arXiv:1909.13719, section 3.1) for a batch on its device, with separate draws for each example.

The operations are those of torchvision's v2 RandAugment on float images, with nearest-pixel sampling and zeros outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import draws as keyed
from .transform import Draws

OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
    "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip
LAYERS = 2
_STRENGTH = 9 / 30  # magnitude 9 of 0..30
_SHEAR, _ROTATE, _ENHANCE = 0.3 * _STRENGTH, 30.0 * _STRENGTH, 0.9 * _STRENGTH  # slope, degrees, factor from 1
_TRANSLATE = 150 / 331 * _STRENGTH  # of the side
_LEVELS = 1 << round(8 - 4 * _STRENGTH)
_THRESHOLD = 1.0 - _STRENGTH
_OPERATION, _SIGN = 3, 4  # parts of a draw's key, after those of flip_crop
_GREY = (0.2989, 0.587, 0.114)  # of red, green, blue


def randaugment(images: Tensor, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Apply two operations to each example, drawn uniformly from the fourteen and from both signs.

    uint8 (B, C, S, S), int64 (B,) -> uint8 (B, C, S, S). Grey levels are rounded once, at the end.
    """
    x = images.float() / 255
    for layer in range(LAYERS):
        which, negative = drawn(examples, seed=seed, epoch=epoch, layer=layer)
        x = applied(x, which, negative)
    return (x * 255).round_().to(torch.uint8)


@dataclass(frozen=True)
class RandAugment:
    """RandAugment with two operations at magnitude 9 of 30, as a transform of a batch, in training only."""

    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with each image after the operations drawn for it. Targets do not change."""
        assert draws.epoch is not None
        return randaugment(inputs, examples=draws.examples, seed=draws.seed, epoch=draws.epoch), targets


def drawn(examples: Tensor, *, seed: int, epoch: int, layer: int) -> tuple[Tensor, Tensor]:
    """Return each example's operation as an index of OPERATIONS, and 1 if it is negative: int64 (B,) each."""
    which = keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _OPERATION, layer), examples, len(OPERATIONS))
    return which, keyed.integers(keyed.key(keyed.AUGMENT, seed, epoch, _SIGN, layer), examples, 2)


def applied(x: Tensor, which: Tensor, negative: Tensor) -> Tensor:
    """Return each example after the operation drawn for it.

    x float (B, C, S, S) in [0, 1], which and negative int64 (B,) -> (B, C, S, S). Every operation is computed for every
    example and then one is selected, so that shapes do not depend on the draws.
    """
    is_ = {name: (which == number)[:, None, None, None] for number, name in enumerate(OPERATIONS)}
    moved = _moved(x, which, negative)  # by one of five operations; unchanged at the others
    blended = _blended(moved, is_, negative)
    x = torch.where(is_["Posterize"], (moved * _LEVELS).floor_().clamp_(0, _LEVELS - 1) / _LEVELS, blended)
    x = torch.where(is_["Solarize"] & (moved >= _THRESHOLD), 1 - moved, x)
    x = torch.where(is_["AutoContrast"], _stretched(moved), x)
    return torch.where(is_["Equalize"], _equalized(moved), x)


def _moved(x: Tensor, which: Tensor, negative: Tensor) -> Tensor:
    """Shear, translate or rotate each image: each output pixel is read where the example's affine map points."""
    side = x.shape[-1]
    a, b, c, d, e, f = _maps(side, x.device).index_select(0, 2 * which + negative).T[..., None, None]  # (B, 1, 1)
    along = torch.linspace((1 - side) / 2, (side - 1) / 2, side, device=x.device)
    across, down = along[None, None, :], along[None, :, None]
    grid = torch.stack([a * across + b * down + c, d * across + e * down + f], dim=3)  # (B, S, S, 2)
    return F.grid_sample(x, grid, mode="nearest", padding_mode="zeros", align_corners=False)


@lru_cache(maxsize=8)
def _maps(side: int, device: torch.device) -> Tensor:
    """Return the affine map of each operation, positive then negative, as a tensor (2 x 14, 6).

    A map gives the place that an output pixel is read from. Pixels count from the image's centre, and the result is in
    halves of the side, as `grid_sample` expects it. A shear keeps the upper left corner fixed, a translation is by an
    integer number of pixels, and a rotation is counter-clockwise.
    """
    rows = []
    for name in OPERATIONS:
        for sign in (1, -1):
            slope, turn, shift = sign * _SHEAR, math.radians(sign * _ROTATE), float(sign * int(_TRANSLATE * side))
            rows.append({
                "ShearX": (1.0, slope, slope * side / 2, 0.0, 1.0, 0.0),
                "ShearY": (1.0, 0.0, 0.0, slope, 1.0, slope * side / 2),
                "TranslateX": (1.0, 0.0, -shift, 0.0, 1.0, 0.0),
                "TranslateY": (1.0, 0.0, 0.0, 0.0, 1.0, -shift),
                "Rotate": (math.cos(turn), -math.sin(turn), 0.0, math.sin(turn), math.cos(turn), 0.0),
            }.get(name, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)))  # fmt: skip
    with torch.inference_mode(False):
        return (torch.tensor(rows, dtype=torch.float64) / (side / 2)).float().to(device)


def _blended(x: Tensor, is_: dict[str, Tensor], negative: Tensor) -> Tensor:
    """Return r x + (1 - r) y, clipped to [0, 1], where r is 0.73 or 1.27.

    y is black for brightness, the grey image for colour, the mean grey for contrast, and the blurred image for
    sharpness.
    """
    grey = _grey(x)
    mean = grey.mean((2, 3), keepdim=True)
    other = torch.where(is_["Color"], grey, torch.where(is_["Contrast"], mean, 0.0))  # (B, 1, S, S)
    other = torch.where(is_["Sharpness"], _blurred(x), other)
    enhances = is_["Brightness"] | is_["Color"] | is_["Contrast"] | is_["Sharpness"]
    ratio = torch.where(enhances, 1 + _ENHANCE * (1 - 2 * negative)[:, None, None, None], 1.0)
    return (x * ratio + other * (1 - ratio)).clamp_(0, 1)


def _grey(x: Tensor) -> Tensor:
    """Return the grey image: (B, C, S, S) -> (B, 1, S, S)."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.unbind(1)
    return (_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue)[:, None]


def _blurred(x: Tensor) -> Tensor:
    """Return the weighted mean of each pixel (weight 5) and its neighbours (1 each). The image's edge is unchanged."""
    if x.shape[-1] <= 2:
        return x
    nine = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]  # columns first, then rows
    nine = nine[..., :-2] + nine[..., 1:-1] + nine[..., 2:]  # (B, C, S - 2, S - 2)
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
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.int64, device=x.device)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    sums = counts.cumsum(2)
    brightest = counts.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - brightest) // 255
    table = F.pad((sums[..., :-1] + step // 2) // step.clamp(min=1), (1, 0)).clamp_(0, 255)
    spread = torch.where(step > 0, table.gather(2, levels), levels)
    return (spread.float() / 255).view_as(x)
