"""JPEG compression and decompression of grey levels (ITU-T T.81), with chroma at half the resolution as in libjpeg.

Entropy coding loses nothing and is omitted. The transform is exact to 2**-16 of a grey level, whereas libjpeg rounds
within it, so that a few coefficients in a thousand differ by one quantisation step.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed

_BITS = 16  # of the transform's and the colours' weights
_LUMA = """16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56  14 17 22 29 51 87 80 62
    18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99"""
_CHROMA = """17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99  47 66 99 99 99 99 99 99
    99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99"""  # T.81, K.1
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))  # JFIF 1.02


def jpeg_compression(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return the image after compression at quality c: grey levels (B, C, H, W), C = 1 or 3."""
    del keyed
    quality = int(c[0])
    if x.shape[1] != 3:
        return _coded(x, _table(_LUMA, quality, x.device))
    height, width = x.shape[2:]
    red, green, blue = x.unbind(1)
    luma, first, second = (
        (red * _fixed(row[0]) + green * _fixed(row[1]) + blue * _fixed(row[2]) + (0.5 if row is _TO_YCC[0] else 128.5))
        .floor().clamp_(0, 255)
        for row in _TO_YCC
    )  # fmt: skip
    luma = _coded(luma[:, None], _table(_LUMA, quality, x.device))[:, 0]
    halves = _halved(torch.stack([first, second], 1))
    coded = _coded(halves, _table(_CHROMA, quality, x.device))[:, :, :, : (width + 1) // 2]
    chroma = _doubled(coded)[:, :, :height, :width] - 128
    blueness, redness = chroma.unbind(1)
    return torch.stack([
        luma + (redness * _fixed(1.402) + 0.5).floor(),
        luma + (blueness * -_fixed(0.344136286) + redness * -_fixed(0.714136286) + 0.5).floor(),
        luma + (blueness * _fixed(1.772) + 0.5).floor(),
    ], 1)  # fmt: skip


def _fixed(weight: float) -> float:
    return round(weight * (1 << _BITS)) / (1 << _BITS)


@lru_cache(maxsize=32)
def _table(text: str, quality: int, device: torch.device) -> Tensor:
    """Return the quantisation steps at a quality, as libjpeg scales them: float64 (8, 8)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = [min(max((int(step) * scale + 50) // 100, 1), 255) for step in text.split()]
    with torch.inference_mode(False):
        return torch.tensor(steps, dtype=torch.float64, device=device).view(8, 8)


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> Tensor:
    """Return the orthonormal DCT-II of 8 values as a matrix: float64 (8, 8), multiples of 2**-16."""
    matrix = np.array([
        [math.sqrt((1 if k == 0 else 2) / 8) * math.cos(math.pi * (2 * n + 1) * k / 16) for n in range(8)]
        for k in range(8)
    ])  # fmt: skip
    with torch.inference_mode(False):
        return exact.rounded(torch.from_numpy(matrix), _BITS).to(device)


def _coded(x: Tensor, steps: Tensor) -> Tensor:
    """Return planes after quantising the transform of their 8 x 8 blocks: (B, C, H, W). Planes are padded by repeating.

    The forward transform is exact. The inverse of integers is exact too.
    """
    height, width = x.shape[2:]
    for axis in (2, 3):
        more = -x.shape[axis] % 8
        last = x.narrow(axis, x.shape[axis] - 1, 1)
        x = torch.cat([x, *[last] * more], axis) if more else x
    batch, channels, high, wide = x.shape
    cosines = _cosines(x.device)
    blocks = x.view(batch, channels, high // 8, 8, wide // 8, 8).transpose(3, 4) - 128
    waves = exact.rounded(cosines @ blocks @ cosines.T / steps, 40)
    waves = (waves.abs() + 0.5).floor() * waves.sign() * steps
    pixels = (cosines.T @ waves @ cosines + 128.5).floor().clamp_(0, 255)
    return pixels.transpose(3, 4).reshape(batch, channels, high, wide)[:, :, :height, :width]


def _halved(x: Tensor) -> Tensor:
    """Return the mean of 2 x 2 pixels, rounded down and up in turn along a row, as libjpeg does.

    Before, rows are padded to a multiple of 16 pixels and columns to an even number, by repeating the last pixel.
    """
    for axis, unit in ((2, 2), (3, 16)):
        more = -x.shape[axis] % unit
        x = torch.cat([x, *[x.narrow(axis, x.shape[axis] - 1, 1)] * more], axis) if more else x
    sums = x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
    bias = torch.arange(sums.shape[3], device=x.device) % 2 + 1
    return ((sums + bias) / 4).floor()


def _doubled(x: Tensor) -> Tensor:
    """Return twice the resolution by a triangle filter, 3/4 of the nearer and 1/4 of the farther, as libjpeg does."""
    height, width = x.shape[2:]
    above = exact.padded(x, 1, 2, "replicate")
    rows = torch.stack([3 * x + above[:, :, :-2], 3 * x + above[:, :, 2:]], 3).flatten(2, 3)  # (B, C, 2 H, W)
    aside = exact.padded(rows, 1, 3, "replicate")
    left = ((3 * rows + aside[..., :-2] + 8) / 16).floor()
    right = ((3 * rows + aside[..., 2:] + 7) / 16).floor()
    return torch.stack([left, right], 4).view(*x.shape[:2], 2 * height, 2 * width)
