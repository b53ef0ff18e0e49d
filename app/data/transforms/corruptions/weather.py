"""Snow and fog (arXiv:1903.12261, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact, motion
from .keyed import Keyed

_LUMA = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601)
_WIBBLE = 100.0  # the first displacement of diamond-square


def luma(x: Tensor) -> Tensor:
    """Return the grey image: (B, C, H, W) -> (B, 1, H, W)."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.unbind(1)
    return (red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2])[:, None]


def snow(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Whiten the image, and add flakes and their half turn.

    Flakes are normal noise, zoomed, zeroed below a threshold, and blurred along a line at -135 to -45 degrees.
    """
    mean, deviation, zoom, threshold, radius, sigma, share = c
    flakes = keyed.normal(0, 1, *x.shape[2:]) * deviation + mean
    flakes = exact.zoomed(flakes, zoom)
    flakes = torch.where(flakes < threshold, 0.0, flakes)
    flakes = exact.truncated(flakes.clamp_(0, 1) * 255)
    flakes = motion.moved(flakes, radius, sigma, keyed.integers(1, bits=motion.BITS), low=-135)
    white = torch.maximum(x, luma(x) * 1.5 + 127.5)
    return x * share + white * (1 - share) + flakes + flakes.flip(2, 3)


def fog(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return (x + c plasma) m / (m + c), where m is the image's largest value and plasma is in [0, 1]."""
    strength, decay = c
    height, width = x.shape[2:]
    cloud = plasma(max(height, width), decay, keyed)[:, None, :height, :width]
    most = x.amax((1, 2, 3), keepdim=True)
    return (x + cloud * (255 * strength)) * (most / (most + 255 * strength))


def plasma(side: int, decay: float, keyed: Keyed, part: int = 0) -> Tensor:
    """Return a cloud in [0, 1] by diamond-square, whose displacements fall by `decay` a step: float64 (B, S, S).

    S is the smallest power of two that is not below `side`. The map's opposite edges meet.
    """
    size = 1 << max(1, (side - 1).bit_length())
    cloud = torch.zeros(len(keyed.rows), size, size, dtype=torch.float64, device=keyed.rows.device)
    step, wibble = size, _WIBBLE
    while step >= 2:
        half = step // 2

        def displaced(total: Tensor, number: int, wibble: float = wibble, step: int = step) -> Tensor:
            key = part + 4 * step.bit_length() + number
            return total / 4 + keyed.between(key, -wibble, wibble, *total.shape[1:]) * wibble

        corners = cloud[:, ::step, ::step]
        square = corners + corners.roll(-1, 1)
        square = square + square.roll(-1, 2)
        cloud[:, half::step, half::step] = middle = displaced(square, 0)
        across = (middle + middle.roll(1, 1)) + (corners + corners.roll(-1, 2))
        cloud[:, ::step, half::step] = displaced(across, 1)
        down = (middle + middle.roll(1, 2)) + (corners + corners.roll(-1, 1))
        cloud[:, half::step, ::step] = displaced(down, 2)
        step, wibble = half, wibble / decay
    low, high = cloud.amin((1, 2), keepdim=True), cloud.amax((1, 2), keepdim=True)
    return (cloud - low) / (high - low)
