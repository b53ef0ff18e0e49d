"""Motion blur as in ImageMagick: the mean of pixels along a line, with the weights of one half of a Gaussian.

Source: MotionBlurImage of ImageMagick's effect.c, which ImageNet-C calls (arXiv:1903.12261).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import ANGLES, Keyed

BITS = 12  # of an angle


def motion_blur(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Blur along a line at an angle from -45 to 45 degrees, one angle per image. The border is repeated."""
    return moved(x, c[0], c[1], keyed.integers(0, bits=BITS), low=-45)


def moved(x: Tensor, radius: float, sigma: float, angle: Tensor, *, low: float) -> Tensor:
    """Return sum_i k_i x(p + i (cos a, sin a)), i = 0..2 ceil(radius), rounded to grey levels: (B, C, H, W).

    k_i is proportional to exp(-i**2 / (2 sigma**2)). `angle` int64 (B,) counts 4096ths of the 90 degrees above `low`.
    """
    kernel, offsets = _line(radius, sigma, low, x.device)
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device)[None, :, None]
    columns = torch.arange(width, device=x.device)[None, None, :]
    flat, total = x.flatten(2), torch.zeros_like(x)
    for tap, weight in enumerate(kernel):
        if not weight:
            continue
        across, down = offsets[angle, tap].unbind(1)  # (B,) each
        places = exact.inside(rows + down[:, None, None], height, "replicate") * width
        places = (places + exact.inside(columns + across[:, None, None], width, "replicate")).flatten(1)
        total += flat.gather(2, places[:, None].expand(-1, x.shape[1], -1)).view_as(x) * weight
    return (total + 0.5).floor()


@lru_cache(maxsize=32)
def _line(radius: float, sigma: float, low: float, device: torch.device) -> tuple[list[float], Tensor]:
    """Return the weights of the pixels along a line, and their offsets (across, down): int64 (4096, taps, 2)."""
    steps = np.arange(2 * math.ceil(radius) + 1)
    kernel = exact.weights(np.exp(-(steps**2) / (2 * sigma**2)))
    angles = np.radians(low + 90 * np.arange(ANGLES) / ANGLES)[:, None]
    offsets = np.stack([np.ceil(steps * np.cos(angles) - 0.5), np.ceil(steps * np.sin(angles) - 0.5)], axis=2)
    with torch.inference_mode(False):
        return kernel.tolist(), torch.from_numpy(offsets.astype(np.int64)).to(device)
