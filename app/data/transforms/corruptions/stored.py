"""Stored images at another side, as integers of grey levels, in exact arithmetic."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....system import devices
from ..resize import weights
from . import exact


def resized(images: Tensor, side: int) -> Tensor:
    """Return images squashed to a square, bilinear with antialias: uint8 (B, C, H, W) -> uint8 (B, C, side, side)."""
    return devices.through_float64(lambda given: _resized(given.double(), side).to(torch.uint8), images)


def _resized(x: Tensor, side: int) -> Tensor:
    for axis in (3, 2):
        x = exact.product(_matrix(x.shape[axis], side), x, axis)
    return (x + 0.5).floor().clamp_(0, 255)


@lru_cache(maxsize=16)
def _matrix(stored: int, side: int) -> np.ndarray:
    found = weights(stored, side, torch.device("cpu"), torch.float64).numpy()
    return np.stack([exact.weights(row) for row in found])
