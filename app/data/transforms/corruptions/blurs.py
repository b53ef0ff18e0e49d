"""Blurs by one kernel for every image: Gaussian, defocus and zoom (arXiv:1903.12261, section 3)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed

_RADIUS = 8  # up to which the disk's edge is blurred over 3 x 3 pixels, above it over 5 x 5


def gaussian_blur(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Convolve with a Gaussian of c pixels, cut at 4 c. The border is repeated."""
    del keyed
    return exact.blurred(x, exact.gaussian(c[0]))


def defocus_blur(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Average over a disk, with an edge that a small Gaussian blurs. The border is reflected.

    A row of the disk is a difference of running sums, which are integers.
    """
    del keyed
    radius, alias = c
    reach, edge = math.floor(radius), _edge(alias, 1 if radius <= _RADIUS else 2)
    size = len(edge) // 2 + reach
    widths = [math.floor(math.sqrt(radius**2 - row**2)) for row in range(-reach, reach + 1)]
    area = sum(2 * width + 1 for width in widths)
    height, wide = x.shape[2] + 2 * (size - reach), x.shape[3] + 2 * (size - reach)
    for axis in (2, 3):
        x = exact.padded(x, size, axis, "reflect")
    sums = exact.running(x)  # (B, C, H + 2 size, W + 2 size + 1)
    total = None
    for row, width in enumerate(widths):
        rows = sums[:, :, row : row + height]
        start = reach - width
        part = rows[..., start + 2 * width + 1 : start + 2 * width + 1 + wide] - rows[..., start : start + wide]
        total = part if total is None else total.add_(part)
    assert total is not None, "a disk has a row"
    return exact.valid(exact.valid(total, edge, 3), edge, 2) / area


@lru_cache(maxsize=16)
def _edge(sigma: float, radius: int) -> np.ndarray:
    """Return the weights of a Gaussian over 2 radius + 1 pixels."""
    away = np.arange(-radius, radius + 1)
    return exact.weights(np.exp(-0.5 / sigma**2 * away**2))


def zoom_blur(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return the mean of the image and of its central zooms by 1, 1 + step, ..., largest."""
    del keyed
    largest, step = c
    count = round((largest - 1) / step) + 1
    total = x.clone()
    for number in range(count):
        total += exact.zoomed(x, 1 + number * step)
    return total / (count + 1)
