"""Elastic transform: an affine map of three moved points, then a smooth field of displacements (arXiv:1903.12261)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed

_NOISE, _SMOOTH, _AFFINE = 12, 18, 5  # bits of a displacement, of a smoothing weight, and of a place after the map


def elastic_transform(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return the image after the affine map, then with each pixel read at a displaced place.

    c are shares of the side: strength and sigma of the displacements, and the largest shift of a point.
    """
    height, width = x.shape[2:]
    strength, sigma, shift = (share * min(height, width) for share in c)
    rows = torch.arange(height, device=x.device, dtype=torch.float64)[None, :, None]
    columns = torch.arange(width, device=x.device, dtype=torch.float64)[None, None, :]
    across, down = _mapped(columns, rows, height, width, keyed.between(0, -shift, shift, 3, 2))
    x = exact.sampled(x, across, down, "reflect", _AFFINE)
    moves = [_field(height, width, sigma, keyed, 1 + axis) * strength for axis in (0, 1)]
    return exact.sampled(x, columns + moves[0], rows + moves[1], "symmetric")


def _mapped(columns: Tensor, rows: Tensor, height: int, width: int, moved: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places that each pixel is read from by the map that moves three points: (B, H, W) each.

    The points are (m + q, m + q), (m + q, m - q) and (m - q, m - q), with m the middle and q a third of the side, and
    `moved` (B, 3, 2) are their shifts. A place p maps to A (p - a) + a + shift of a. Pixels are read at the inverse.
    """
    third = min(height, width) // 3
    x0, y0 = width // 2 + third, height // 2 + third
    shifts = moved[:, :, :, None, None]  # (B, 3, 2, 1, 1)
    first, second, last = (shifts[:, number] for number in range(3))
    by_y = (first - second) / (2 * third)  # (B, 2, 1, 1): change of the map along y, and along x
    by_x = (second - last) / (2 * third)
    a, b = by_x[:, 0] + 1, by_y[:, 0]
    d, e = by_x[:, 1], by_y[:, 1] + 1
    u, v = columns - x0 - first[:, 0], rows - y0 - first[:, 1]
    area = a * e - b * d
    return (e * u - b * v) / area + x0, (a * v - d * u) / area + y0


def _field(height: int, width: int, sigma: float, keyed: Keyed, part: int) -> Tensor:
    """Return uniform noise in [-1, 1) after a Gaussian of sigma pixels: float64 (B, H, W)."""
    noise = keyed.uniform(part, 1, height, width, bits=_NOISE + 1) * 2 - 1
    if sigma <= 0:
        return noise[:, 0]
    noise = exact.product(_smoothing(width, sigma), noise, 3)
    return exact.product(_smoothing(height, sigma), noise, 2)[:, 0]


@lru_cache(maxsize=16)
def _smoothing(size: int, sigma: float) -> np.ndarray:
    """Return the Gaussian, cut at 3 sigma and with a symmetric border, as a matrix (size, size)."""
    radius = int(3 * sigma + 0.5)
    away = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 / sigma**2 * away**2) / np.exp(-0.5 / sigma**2 * away**2).sum()
    matrix = np.zeros((size, size))
    for row in range(size):
        np.add.at(matrix[row], exact.folded(row + away, size, "symmetric"), kernel)
    return np.stack([exact.weights(row, _SMOOTH) for row in matrix])
