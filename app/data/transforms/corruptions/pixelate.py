"""Pixelate: shrink and enlarge by averages over boxes, in Pillow's integer arithmetic."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed

_BITS = 22  # of Pillow's weights


def pixelate(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Resize to a share c of the side, and back, as Pillow's BOX filter does, which rounds after each axis."""
    del keyed
    height, width = x.shape[2:]
    low, narrow = max(1, int(height * c[0])), max(1, int(width * c[0]))
    for rows, columns in ((low, narrow), (height, width)):
        x = (exact.product(_boxes(x.shape[3], columns), x, 3) + 0.5).floor()
        x = (exact.product(_boxes(x.shape[2], rows), x, 2) + 0.5).floor()
    return x


@lru_cache(maxsize=32)
def _boxes(size: int, made: int) -> np.ndarray:
    """Return the weights of Pillow's BOX resize from `size` to `made` pixels: (made, size), multiples of 2**-22."""
    scale = size / made
    support = 0.5 * max(scale, 1.0)
    matrix = np.zeros((made, size))
    for pixel in range(made):
        centre = (pixel + 0.5) * scale
        first, last = max(0, int(centre - support + 0.5)), min(size, int(centre + support + 0.5))
        away = (np.arange(first, last) - centre + 0.5) / max(scale, 1.0)
        inside = ((away > -0.5) & (away <= 0.5)).astype(float)
        shares = inside / inside.sum()
        matrix[pixel, first:last] = [math.floor(0.5 + share * (1 << _BITS)) / (1 << _BITS) for share in shares]
    return matrix
