"""Corruptions of ImageNet-C-bar (arXiv:2102.11273): blue noise, brownish noise, and a chessboard's squares.

A noise is the real part of the inverse Fourier transform of a spectrum with random phases, divided by its standard
deviation. The transform is two products with matrices of multiples of 2**-18, whose sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed, circle

_PHASES = 16  # bits
_WAVE, _SPECTRUM, _BETWEEN = 18, 12, 6  # bits of a wave, of the spectrum, and of the sums after the first axis
_WHITE = 128  # grey level of a cut square


def blue_noise_sample(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Blacken pixels where blue noise, of amplitude f at frequency f, is at most 0.3 c - 2.5 standard deviations."""
    return x * (_noise(1, x, keyed, lambda away: away) > 0.3 * c[0] - 2.5)


def brownish_noise(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Add noise of 6.4 c grey levels per channel. The amplitude at frequency f is 1 / (f**2 + 1)."""
    return x + _noise(x.shape[1], x, keyed, lambda away: 1 / (away**2 + 1)) * (6.4 * c[0])


def checkerboard_cutout(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Grey a share c / 10 of one colour of a chessboard's squares, turned by any angle, of 0.1 to 0.25 sides."""
    height, width = x.shape[2:]
    side = max(height, width)
    scale = (keyed.between(0, 0.1, 0.25) * side).clamp_(min=1)[:, None, None]
    cosine, sine = (each[keyed.integers(1, bits=_PHASES)][:, None, None] for each in _circle(x.device))
    rows = torch.arange(height, device=x.device, dtype=torch.float64)[:, None]
    columns = torch.arange(width, device=x.device, dtype=torch.float64)[None]
    down, across = (cosine * rows + sine * columns) / scale, (cosine * columns - sine * rows) / scale  # (B, H, W)
    other = down.remainder(2).floor() != across.remainder(2).floor()
    count = (4 * side / scale).floor().long()  # squares along the grid, 16 to 40
    square = down.trunc().long().remainder(count) * 64 + across.trunc().long().remainder(count)
    cut = keyed.uniform(2, 64 * 64).gather(1, square.flatten(1)).view_as(down) < c[0] / 10
    return torch.where((cut & ~other)[:, None], float(_WHITE), x)


def _circle(device: torch.device) -> tuple[Tensor, Tensor]:
    return circle(0.0, 360.0, 1 << _PHASES, device)


def _noise(channels: int, x: Tensor, keyed: Keyed, amplitude: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """Return noise of mean about 0 and standard deviation 1: float64 (B, channels, H, W)."""
    height, width = x.shape[2:]
    power = torch.from_numpy(_scaled(amplitude(_away(height, width)))).to(x.device)
    half = keyed.integers(0, channels, height, width // 2, bits=_PHASES)
    middle = [keyed.integers(1, channels, height, 1, bits=_PHASES)] if width % 2 else []
    phases = torch.cat([half, *middle, half.flip(2, 3)], 3)
    cosine, sine = (exact.rounded(each[phases] * power, _SPECTRUM) for each in _circle(x.device))
    shifts = (height // 2, width // 2)
    real, imaginary = (each.roll(shifts, (2, 3)) for each in (cosine, sine))
    (rows_cos, rows_sin), (columns_cos, columns_sin) = _waves(height, x.device), _waves(width, x.device)
    first = exact.rounded(real @ columns_cos - imaginary @ columns_sin, _BETWEEN)
    second = exact.rounded(real @ columns_sin + imaginary @ columns_cos, _BETWEEN)
    noise = exact.rounded(rows_cos @ first - rows_sin @ second, 2)
    return _standardised(noise)


def _standardised(noise: Tensor) -> Tensor:
    """Return noise divided by its standard deviation in each channel. Sums of integers do not depend on their order."""
    units = (noise * 4).long()
    count = units.shape[2] * units.shape[3]
    total, squares = units.sum((2, 3), keepdim=True), (units * units).sum((2, 3), keepdim=True)
    deviation = (squares.double() / count - (total.double() / count).square()).sqrt()
    return units.double() / deviation


def _scaled(power: np.ndarray) -> np.ndarray:
    """Return a spectrum with its largest amplitude at 2**10, since a noise is divided by its deviation later."""
    return power / power.max() * (1 << 10)


def _away(height: int, width: int) -> np.ndarray:
    """Return the distance of each frequency from the middle of the spectrum: (H, W)."""
    return np.hypot(*np.meshgrid(np.arange(height) - height / 2, np.arange(width) - width / 2, indexing="ij"))


@lru_cache(maxsize=16)
def _waves(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of 2 pi m n / size: float64 (size, size) each, multiples of 2**-18."""
    turns = 2 * np.pi * (np.outer(np.arange(size), np.arange(size)) % size) / size
    with torch.inference_mode(False):
        made = (exact.rounded(torch.from_numpy(wave(turns)), _WAVE).to(device) for wave in (np.cos, np.sin))
        return tuple(made)  # type: ignore[return-value]
