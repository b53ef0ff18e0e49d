"""The CIFAR zoo's RandAugment: two of 16 operations on integer grey levels, with the arithmetic of Pillow.

Source: kentaroy47/vision-transformers-cifar10, randomaug.py. Its faults are part of it: at magnitude 14 a translation
is by 47 px, so that 23 of 100 images of 32 px become one flat colour. Posterize keeps one bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ... import draws as keyed
from ...system import devices
from .operations import equalized
from .transform import Draws

RANGES = {  # at magnitude 0 and at magnitude 30
    "AutoContrast": (0, 1), "Equalize": (0, 1), "Invert": (0, 1), "Rotate": (0, 30), "Posterize": (0, 4),
    "Solarize": (0, 256), "SolarizeAdd": (0, 110), "Color": (0.1, 1.9), "Contrast": (0.1, 1.9),
    "Brightness": (0.1, 1.9), "Sharpness": (0.1, 1.9), "ShearX": (0, 0.3), "ShearY": (0, 0.3), "CutoutAbs": (0, 40),
    "TranslateXabs": (0, 100), "TranslateYabs": (0, 100),
}  # fmt: skip
OPERATIONS = tuple(RANGES)
LAYERS, MAGNITUDE, HIGHEST = 2, 14, 30
_MOVES = ("Rotate", "ShearX", "ShearY", "TranslateXabs", "TranslateYabs")  # which have a sign
_CUTOUT_COLOUR = (125.0, 123.0, 114.0)
_GREY = (19595, 38470, 7471)  # of red, green, blue, in 65,536ths
_ONE = 1 << 16  # Pillow's fixed point of affine maps
_PART = 10  # of a draw's key
_OPERATION, _SIGN, _TOP, _LEFT = range(4)


def value(name: str, magnitude: float) -> float:
    """Return an operation's strength at a magnitude of 0..30."""
    low, high = RANGES[name]
    return magnitude / HIGHEST * (high - low) + low


def zoo_randaugment(
    images: Tensor, *, examples: Tensor, seed: int, epoch: int, magnitude: float = MAGNITUDE
) -> Tensor:  # fmt: skip
    """Apply two operations to each example, drawn uniformly from the sixteen: uint8 (B, 3, S, S) -> uint8 (B, 3, S, S).

    Every draw is keyed by (seed, epoch, example): int64 (B,).
    """
    x = images.float()  # whole numbers
    for layer in range(LAYERS):
        x = applied(x, *drawn(examples, seed=seed, epoch=epoch, layer=layer), magnitude)
    return x.to(torch.uint8)


def drawn(examples: Tensor, *, seed: int, epoch: int, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return each example's operation, 1 if it is negative, and where CutoutAbs is centred.

    int64 (B,), int64 (B,), float (2, B) in [0, 1): shares of the height and the width.
    """
    stream = [keyed.key(keyed.AUGMENT, seed, epoch, _PART, part, layer) for part in range(4)]
    which = keyed.integers(stream[_OPERATION], examples, len(OPERATIONS))
    negative = keyed.integers(stream[_SIGN], examples, 2)
    return which, negative, torch.stack([keyed.uniform(stream[part], examples) for part in (_TOP, _LEFT)])


def applied(x: Tensor, which: Tensor, negative: Tensor, centre: Tensor, magnitude: float = MAGNITUDE) -> Tensor:
    """Return each example after the operation drawn for it: float (B, 3, S, S) of whole numbers from 0 to 255.

    Every operation is computed for every example and then one is selected, so that shapes do not depend on the draws.
    """
    at = {name: (which == number)[:, None, None, None] for number, name in enumerate(OPERATIONS)}
    strength = {name: value(name, magnitude) for name in OPERATIONS}
    found = torch.where(at["AutoContrast"], _autocontrast(x), x)
    found = torch.where(at["Equalize"], equalized(x.long().flatten(2)).view_as(x).float(), found)
    found = torch.where(at["Invert"], 255 - x, found)
    step = 2.0 ** (8 - max(1, int(strength["Posterize"])))
    found = torch.where(at["Posterize"], (x / step).floor() * step, found)
    found = torch.where(at["Solarize"], _solarized(x, strength["Solarize"]), found)
    brighter = (x + strength["SolarizeAdd"]).clamp(max=255).floor()
    found = torch.where(at["SolarizeAdd"], _solarized(brighter, 128), found)
    for name, other in _blends(x).items():
        found = torch.where(at[name], _blend(other, x, strength[name]), found)
    found = torch.where(at["CutoutAbs"], _cut(x, centre, strength["CutoutAbs"]), found)
    moves = torch.stack([at[name][:, 0, 0, 0] for name in _MOVES]).any(0)[:, None, None, None]
    return torch.where(moves, _moved(x, which, negative, magnitude), found)


def _autocontrast(x: Tensor) -> Tensor:
    """Return `ImageOps.autocontrast`: int(v scale + offset), with scale and offset in float64."""
    return devices.in_float64(_stretched, x)


def _stretched(x: Tensor) -> Tensor:
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    scale = torch.full_like(low, 255) / (high - low).clamp(min=1)  # a number by a tensor is rounded twice
    return torch.where(high > low, (x * scale - low * scale).clamp(0, 255).floor(), x)


def _solarized(x: Tensor, threshold: float) -> Tensor:
    return torch.where(x < threshold, x, 255 - x)


def _grey(x: Tensor) -> Tensor:
    """Return Pillow's grey level of each pixel: (B, 3, S, S) -> (B, 1, S, S)."""
    red, green, blue = x.long().unbind(1)
    return ((_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue + (_ONE >> 1)) >> 16)[:, None].float()


def _blends(x: Tensor) -> dict[str, Tensor]:
    """Return the image that each enhancement blends with: grey, the mean grey level, black, and a blurred image."""
    grey = _grey(x)
    mean = devices.in_float64(lambda levels: (levels.mean((2, 3), keepdim=True) + 0.5).floor(), grey)
    return {
        "Color": grey.expand_as(x), "Contrast": mean.expand_as(x), "Brightness": torch.zeros_like(x),
        "Sharpness": _smoothed(x),
    }  # fmt: skip


def _blend(other: Tensor, x: Tensor, ratio: float) -> Tensor:
    """Return Pillow's `Image.blend`, which truncates other + ratio (x - other)."""
    return (other + ratio * (x - other)).clamp_(0, 255).trunc_()


def _smoothed(x: Tensor) -> Tensor:
    """Return `ImageFilter.SMOOTH`, rounded: the mean with weight 5 of the pixel and 1 of each neighbour."""
    if x.shape[-1] <= 2:
        return x
    nine = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    nine = nine[..., :-2] + nine[..., 1:-1] + nine[..., 2:]
    smoothed = x.clone()
    smoothed[..., 1:-1, 1:-1] = ((nine + 4 * x[..., 1:-1, 1:-1]) / 13 + 0.5).floor()
    return smoothed


def _cut(x: Tensor, centre: Tensor, size: float) -> Tensor:
    """Return a rectangle of about `size` px around the centre in one colour, as `ImageDraw.rectangle` fills it.

    Both ends are part of it, so that it is a pixel larger than its size.
    """
    side = x.shape[-1]
    first = devices.in_float64(lambda middle: (middle * side - size / 2).clamp(min=0).floor(), centre)  # (2, B)
    last = (first + size).clamp(max=side).floor()
    along = torch.arange(side, device=x.device)
    rows, columns = ((along >= first[i, :, None]) & (along <= last[i, :, None]) for i in (0, 1))  # (B, S) each
    colour = torch.tensor(_CUTOUT_COLOUR, device=x.device)[:, None, None]
    return torch.where((rows[:, :, None] & columns[:, None, :])[:, None], colour, x)


def _moved(x: Tensor, which: Tensor, negative: Tensor, magnitude: float) -> Tensor:
    """Rotate, shear or translate each image with Pillow's nearest pixel. Pixels from outside are black."""
    batch, channels, side, _ = x.shape
    a, b, c, d, e, f = _maps(side, magnitude, x.device).index_select(0, 2 * which + negative).T[..., None, None]
    along = torch.arange(side, device=x.device)
    across, down = along[None, None, :], along[None, :, None]
    column, row = (c + across * a + down * b) >> 16, (f + across * d + down * e) >> 16  # (B, S, S)
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    at = (row.clamp(0, side - 1) * side + column.clamp(0, side - 1)).view(batch, 1, -1).expand(-1, channels, -1)
    return x.flatten(2).gather(2, at).view_as(x) * inside[:, None]


@lru_cache(maxsize=8)
def _maps(side: int, magnitude: float, device: torch.device) -> Tensor:
    """Return the affine map of each operation, positive then negative, in 65,536ths of a pixel: int64 (2 x 16, 6)."""
    rows = []
    for name in OPERATIONS:
        for sign in (1, -1):
            a, b, c, d, e, f = _map(name, sign * value(name, magnitude), side)
            numbers = (a, b, c + 0.5 * (a + b), d, e, f + 0.5 * (d + e))
            rows.append([math.floor(number * _ONE + 0.5) for number in numbers])
    with torch.inference_mode(False):
        return torch.tensor(rows, dtype=torch.int64, device=device)


def _map(name: str, strength: float, side: int) -> tuple[float, ...]:
    """Return the map from output to input coordinates, in which pixel 0 spans 0 to 1."""
    if name == "Rotate":
        turn, middle = -math.radians(strength % 360), side / 2
        a, b = round(math.cos(turn), 15), round(math.sin(turn), 15)
        return (a, b, middle - a * middle - b * middle, -b, a, middle + b * middle - a * middle)
    return {
        "ShearX": (1.0, strength, 0.0, 0.0, 1.0, 0.0), "ShearY": (1.0, 0.0, 0.0, strength, 1.0, 0.0),
        "TranslateXabs": (1.0, 0.0, strength, 0.0, 1.0, 0.0), "TranslateYabs": (1.0, 0.0, 0.0, 0.0, 1.0, strength),
    }.get(name, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))  # fmt: skip


@dataclass(frozen=True)
class ZooRandAugment:
    """The zoo's RandAugment as a transform of a batch, in training only."""

    magnitude: float = MAGNITUDE
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with each image after the operations drawn for it. Targets do not change."""
        return zoo_randaugment(inputs, **draws.keys(), magnitude=self.magnitude), targets
