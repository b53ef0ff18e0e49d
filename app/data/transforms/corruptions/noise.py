"""Noise of single values: normal, Poisson, salt and pepper, and speckle (arXiv:1903.12261, section 3).

Every function maps grey levels 0..255, float64 (B, C, H, W), to grey levels that are not clipped yet.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....tables.corruption import Constants
from .keyed import Keyed


def gaussian_noise(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return x + 255 N(0, c), one draw per value."""
    return x + keyed.normal(0, *x.shape[1:]) * (255 * c[0])


def speckle_noise(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return x + x N(0, c), one draw per value."""
    return x + x * (keyed.normal(0, *x.shape[1:]) * c[0])


def impulse_noise(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Set a share c of the values to 0 or to 255, half of them each."""
    hit = keyed.uniform(0, *x.shape[1:]) < c[0]
    salt = keyed.integers(1, *x.shape[1:], bits=1).double() * 255
    return torch.where(hit, salt, x)


def shot_noise(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return 255 Poisson(x c / 255) / c, one draw per value, by inversion of the distribution function.

    The uniform draw has 24 bits, so every probability is exact to 2**-24 = 6e-8.
    """
    ends, longest = _counts(c[0], x.device)
    levels = x.long()
    draws = keyed.uniform(0, *x.shape[1:])
    found = torch.searchsorted(ends, (levels * 2).double() + draws, right=True) - levels * longest
    return found.clamp_(max=longest - 1).double() * (255 / c[0])


@lru_cache(maxsize=8)
def _counts(photons: float, device: torch.device) -> tuple[Tensor, int]:
    """Return 2 v + P(N <= k) for each grey level v and count k in one ascending list, and the counts of a level."""
    from scipy.special import pdtr

    longest = int(photons + 8 * photons**0.5 + 12)
    means = np.arange(256)[:, None] / 255 * photons
    ends = pdtr(np.arange(longest)[None], means) + 2 * np.arange(256)[:, None]  # (256, longest)
    with torch.inference_mode(False):
        return torch.from_numpy(ends.reshape(-1)).to(device), longest
