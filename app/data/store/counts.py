"""A 16-bit picture before it enters the cache: the counts of its file, and their conversion to 8 bits by a range."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOST = 65535
_GREY = np.array([299, 587, 114]) / 1000  # ITU-R 601, as in Pillow's conversion of RGB to L


class Counts(NamedTuple):
    """A 16-bit picture at its stored side. It is converted to 8 bits once the range of train's pictures is known."""

    planes: np.ndarray  # float32 (C, H, W): counts times opacity, then the opacity unless it is 1 everywhere
    low: int  # the lowest count of the file's visible pixels
    high: int  # the highest one; below `low` if no pixel is visible
    transparent: bool

    def eight_bit(self, span: tuple[int, int], channels: int) -> np.ndarray:
        """Return 255 (count - low) / (high - low), clipped, and white if transparent: uint8 (channels, H, W)."""
        low, high = span
        planes = self.planes.astype(np.float64)
        colours, opacity = (planes[:-1], planes[-1:]) if self.transparent else (planes, np.ones(1))
        scaled = (colours - low * opacity) * 255 / max(high - low, 1)
        levels = np.clip(scaled, 0, 255 * opacity) + 255 * (1 - opacity)  # (1 or 3, H, W)
        if channels == 1 and len(levels) == 3:
            levels = np.tensordot(_GREY, levels, 1)[None]
        return np.broadcast_to(np.floor(levels + 0.5).astype(np.uint8), (channels, *levels.shape[1:]))

    def outside(self, span: tuple[int, int]) -> bool:
        """Return whether a visible pixel has a count outside a range."""
        return self.low <= self.high and (self.low < span[0] or self.high > span[1])
