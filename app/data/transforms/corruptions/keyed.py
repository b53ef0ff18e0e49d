"""Random draws of one corruption at one severity, keyed by row: the same in any batch, order, process and device.

Every draw is an integer from the row's stream. Normal values are looked up in a table of quantiles, so that no
transcendental function is computed on the device.
"""

from __future__ import annotations

import math
import zlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .... import draws
from ....tables.corruptions import MOST_VALUES

_QUANTILES = 20  # bits
ANGLES = 1 << 12  # directions in a range of angles


class Keyed(NamedTuple):
    """The key of the draws: a seed, the corruption's name, its severity, and the rows of a batch."""

    seed: int
    name: str
    severity: int
    rows: Tensor  # int64 (B,), row numbers as published, on the device

    def _words(self, part: int, shape: tuple[int, ...]) -> Tensor:
        """Return a 64-bit word for each value of each row: int64 (B, *shape). `part` separates kinds of draws."""
        assert math.prod(shape) <= MOST_VALUES, "the positions of two rows would overlap"
        stream = draws.key(draws.CORRUPTION, self.seed, zlib.crc32(self.name.encode()), self.severity, part)
        at = torch.arange(math.prod(shape), device=self.rows.device)
        return draws.words(stream, self.rows[:, None] * MOST_VALUES + at).view(-1, *shape)

    def integers(self, part: int, *shape: int, bits: int) -> Tensor:
        """Return integers in [0, 2**bits): int64 (B, *shape)."""
        return (self._words(part, shape) >> (64 - bits)) & ((1 << bits) - 1)

    def uniform(self, part: int, *shape: int, bits: int = 24) -> Tensor:
        """Return multiples of 2**-bits in [0, 1): float64 (B, *shape)."""
        return self.integers(part, *shape, bits=bits).double() / (1 << bits)

    def between(self, part: int, low: float, high: float, *shape: int) -> Tensor:
        """Return uniform values in [low, high): float64 (B, *shape)."""
        return self.uniform(part, *shape) * (high - low) + low

    def below(self, part: int, count: int | Tensor, *shape: int) -> Tensor:
        """Return integers in [0, count): int64 (B, *shape). `count` may differ by row."""
        return self.integers(part, *shape, bits=24) * count >> 24

    def normal(self, part: int, *shape: int) -> Tensor:
        """Return standard normal values: float64 (B, *shape).

        Each is one of 2**20 equally likely quantiles, up to 4.9 in size; their standard deviation is 1 - 4e-7.
        """
        return _quantiles(self.rows.device)[self.integers(part, *shape, bits=_QUANTILES)]


@lru_cache(maxsize=4)
def _quantiles(device: torch.device) -> Tensor:
    """Return the normal distribution's quantiles at (i + 0.5) / 2**20: float64 (2**20,)."""
    from scipy.special import ndtri

    places = (np.arange(1 << _QUANTILES) + 0.5) / (1 << _QUANTILES)
    with torch.inference_mode(False):
        return torch.from_numpy(ndtri(places)).to(device)


@lru_cache(maxsize=16)
def circle(low: float, high: float, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of `count` angles from `low` to below `high` in degrees: float64 (count,) each."""
    angles = np.radians(low + (high - low) * np.arange(count) / count)
    with torch.inference_mode(False):
        return torch.from_numpy(np.cos(angles)).to(device), torch.from_numpy(np.sin(angles)).to(device)
