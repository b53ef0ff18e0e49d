"""What a diffractometer adds to a powder pattern: counting noise, background, zero shift and broad peaks.

Functions map patterns, float64 (B, C, L), to patterns. Constants in degrees need the step between points: `in_degrees`.
The models of the simulated sets are the same (docs/synthetic-data.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed

_DIGIT = 6  # bits of a digit of a mean count
_UNITS = (64.0, 1.0, 1 / 64, 1 / 4096)  # of the digits: means are multiples of 1 / 4096 below 4096
_TERMS = 5  # of a background's Chebyshev polynomial
_HUMP, _WIDE = (0.1, 0.5), (0.04, 0.1)  # place and width of a background's hump, in shares of the pattern
_WIDTH = 2 * math.sqrt(2 * math.log(2))  # full width at half maximum of a Gaussian, in standard deviations

DEGREES = ("zero_shift", "peak_broadening")  # corruptions with constants in degrees


def scaled(x: Tensor, like: Tensor) -> Tensor:
    """Return patterns between the least and the largest value of `like`, as published patterns are scaled."""
    (low, high), (least, most) = ((each.amin((1, 2), keepdim=True), each.amax((1, 2), keepdim=True))
                                  for each in (x, like))  # fmt: skip
    shares = (x - low) / torch.where(high > low, high - low, 1.0)
    return torch.where(high > low, shares * (most - least) + least, x)


def counting_noise(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return Poisson(x n) / n, one draw per value, with n such that c counts are expected at the highest point.

    A mean is the sum of four digits of base 64, and the sum of a Poisson draw for each digit has its distribution. Each
    draw inverts the distribution function at a 24-bit uniform number.
    """
    per = c[0] / x.amax((1, 2), keepdim=True).clamp(min=1e-9)
    means = (x.clamp(min=0) * per * (1 << 2 * _DIGIT)).round().long()
    counts = torch.zeros_like(x)
    for place, unit in enumerate(_UNITS):
        digits = (means >> _DIGIT * (len(_UNITS) - 1 - place)) & ((1 << _DIGIT) - 1)
        ends, longest = _counts(unit, x.device)
        draws = keyed.uniform(place, *x.shape[1:])
        found = torch.searchsorted(ends, (digits * 2).double() + draws, right=True) - digits * longest
        counts += found.clamp_(max=longest - 1)
    return counts / per


@lru_cache(maxsize=8)
def _counts(unit: float, device: torch.device) -> tuple[Tensor, int]:
    """Return 2 d + P(N <= k) for each digit d, of mean d `unit`, and count k in one ascending list, and the counts."""
    from scipy.special import pdtr

    digits = np.arange(1 << _DIGIT)[:, None]
    largest = float(digits[-1, 0] * unit)
    longest = int(largest + 8 * largest**0.5 + 12)
    ends = pdtr(np.arange(longest)[None], digits * unit) + 2 * digits  # (64, longest)
    with torch.inference_mode(False):
        return torch.from_numpy(ends.reshape(-1)).to(device), longest


def background(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Add a polynomial and a hump, both smooth, of height c in shares of the highest point."""
    length = x.shape[2]
    factors = keyed.normal(0, _TERMS)
    smooth = torch.zeros(len(x), length, dtype=x.dtype, device=x.device)
    for term, curve in enumerate(_chebyshev(length, x.device)):
        smooth += factors[:, term, None] / (term + 1) * curve
    low, high = smooth.amin(1, keepdim=True), smooth.amax(1, keepdim=True)
    smooth = (smooth - low) / (high - low).clamp(min=1e-9)
    middle, wide = (keyed.between(1 + part, *ends)[:, None] for part, ends in enumerate((_HUMP, _WIDE)))
    away = (torch.arange(length, dtype=x.dtype, device=x.device) / length - middle) / wide
    both = smooth + keyed.uniform(3)[:, None] / (1 + away * away).square()
    height = c[0] * x.amax((1, 2)) / both.amax(1)
    return x + (both * height[:, None])[:, None]


@lru_cache(maxsize=4)
def _chebyshev(length: int, device: torch.device) -> Tensor:
    """Return the first Chebyshev polynomials from -1 to 1: float64 (terms, L)."""
    with torch.inference_mode(False):
        found = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, length), _TERMS - 1).T
        return torch.from_numpy(np.ascontiguousarray(found)).to(device)


def in_degrees(step: float) -> dict[str, Callable[[Tensor, Constants, Keyed], Tensor]]:
    """Return the corruptions with constants in degrees, for patterns with this many degrees between their points."""
    return dict(zip(DEGREES, (partial(_zero_shift, step), partial(_peak_broadening, step)), strict=True))


def _zero_shift(step: float, x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Shift each pattern by c degrees up or down, by linear interpolation. The first and last values are repeated."""
    signs = keyed.integers(0, bits=1).double() * 2 - 1
    places = torch.arange(x.shape[2], dtype=x.dtype, device=x.device) - (signs * (c[0] / step))[:, None]  # (B, L)
    low = places.floor()
    share = (places - low)[:, None]

    def at(place: Tensor) -> Tensor:
        return x.gather(2, place.long().clamp(0, x.shape[2] - 1)[:, None].expand_as(x))

    return at(low) * (1 - share) + at(low + 1) * share


def _peak_broadening(step: float, x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Convolve with a Gaussian whose full width at half maximum is c degrees. The border is mirrored: areas stay."""
    del keyed
    return exact.along(x, exact.gaussian(c[0] / step / _WIDTH), 2, "symmetric")
