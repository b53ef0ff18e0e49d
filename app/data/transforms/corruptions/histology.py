"""Variation between stains and between scanners of histology: grey levels 0..255, float64 (B, C, H, W).

Logarithms and powers are read from tables, so that no result depends on a device or a batch.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .jpeg import jpeg_compression
from .keyed import Keyed

_STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))  # haematoxylin, eosin, DAB in red, green, blue
_SHIFT = 0.1  # of an amount of a stain, per unit of the constant
_DENSITY, _DENSEST = 16, 16  # bits of an optical density's fraction, and the largest density of the table
_FINE = 65  # places along the diameter of a disk


def stain(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return the image after each stain's amount is multiplied by U(1 - c, 1 + c), and U(-c, c) / 10 is added.

    The optical density is OD = -log((I + 1) / 256), and OD = amounts M, with the stains' colours as the rows of M
    (Ruifrok and Johnston 2001, PMID 11531144). Results are rounded, so that c = 0 changes nothing. x is (B, 3, H, W).
    """
    factors = keyed.between(0, 1 - c[0], 1 + c[0], 3)[:, :, None, None]
    shifts = keyed.between(1, -c[0], c[0], 3)[:, :, None, None] * _SHIFT
    changed = amounts(x) * factors + shifts
    return _transmitted(_mixed(changed, np.array(_STAINS)))


def amounts(x: Tensor) -> Tensor:
    """Return the amounts of haematoxylin, eosin and DAB: grey levels (B, 3, H, W) -> (B, 3, H, W)."""
    return _mixed(_densities(x.device)[x.long()], np.linalg.inv(np.array(_STAINS)))


def _mixed(x: Tensor, matrix: np.ndarray) -> Tensor:
    """Return the products of each pixel's row vector and a matrix (3, 3): (B, 3, H, W) -> (B, 3, H, W)."""
    first, second, third = x.unbind(1)
    return torch.stack([first * float(a) + second * float(b) + third * float(c) for a, b, c in matrix.T], 1)


def _transmitted(density: Tensor) -> Tensor:
    """Return the grey levels of optical densities as integers: 256 exp(-OD) - 1, up to 255."""
    places = (density * (1 << _DENSITY)).round().clamp_(0, (_DENSEST << _DENSITY) - 1).long()
    return (_light(density.device)[places] - 0.5).floor()


@lru_cache(maxsize=4)
def _densities(device: torch.device) -> Tensor:
    """Return the optical density of each grey level: float64 (256,)."""
    with torch.inference_mode(False):
        return torch.from_numpy(-np.log((np.arange(256) + 1) / 256)).to(device)


@lru_cache(maxsize=4)
def _light(device: torch.device) -> Tensor:
    """Return 256 exp(-OD) for multiples of 2**-16: float64 (2**20,)."""
    densities = np.arange(_DENSEST << _DENSITY) / (1 << _DENSITY)
    with torch.inference_mode(False):
        return torch.from_numpy(256 * np.exp(-densities)).to(device)


def scanner_jpeg(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return the image after JPEG compression at quality c."""
    return jpeg_compression(x, c, keyed)


def scanner_defocus(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return the mean over a disk of radius c pixels, with linear interpolation. The border is mirrored."""
    del keyed
    kernel = _disk(c[0])
    reach, (height, width) = len(kernel) // 2, x.shape[2:]
    for axis in (2, 3):
        x = exact.padded(x, reach, axis, "symmetric")
    total = torch.zeros_like(x[:, :, :height, :width])
    for down, across in zip(*np.nonzero(kernel), strict=True):
        total += x[:, :, down : down + height, across : across + width] * float(kernel[down, across])
    return total


@lru_cache(maxsize=16)
def _disk(radius: float) -> np.ndarray:
    """Return the weights of pixels in the mean over a disk: float64 (2 r + 1, 2 r + 1), with r rounded up."""
    reach = math.ceil(radius)
    places = np.linspace(-radius, radius, _FINE)
    down, across = (each[places[:, None] ** 2 + places**2 <= radius**2] for each in np.meshgrid(places, places))
    away = np.arange(-reach, reach + 1)[:, None]
    rows, columns = (np.maximum(1 - np.abs(each - away), 0) for each in (down, across))  # (2 r + 1, points) each
    return exact.weights(rows @ columns.T)


def white_balance(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return each channel times U(1 - c, 1 + c)."""
    return x * keyed.between(0, 1 - c[0], 1 + c[0], x.shape[1])[:, :, None, None]


def gamma(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return 255 (x / 255)**p with p = c or 1 / c, each equally likely for an image."""
    powers = _powers(c[0], x.device)
    return powers[keyed.integers(0, bits=1)[:, None, None, None], x.long()]


@lru_cache(maxsize=16)
def _powers(exponent: float, device: torch.device) -> Tensor:
    """Return 255 (v / 255)**p of each grey level v, for p = the exponent and for its inverse: float64 (2, 256)."""
    shares = np.arange(256) / 255
    with torch.inference_mode(False):
        return torch.from_numpy(255 * np.stack([shares**exponent, shares ** (1 / exponent)])).to(device)
