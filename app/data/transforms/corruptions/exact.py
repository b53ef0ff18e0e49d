"""Convolution, resampling and zoom in exact arithmetic: every weight is a multiple of a power of two.

Products and sums are then integers that float64 represents, so that no result depends on the order in which a device
or a library adds. A weight is at most 2**-21 away from the one in the definition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

BITS = 20  # of a weight's fraction
_PLACES = 10  # bits of the place between two pixels


def rounded(x: Tensor, bits: int = BITS) -> Tensor:
    """Return the nearest multiples of 2**-bits."""
    return (x * (1 << bits)).round() / (1 << bits)


def truncated(x: Tensor) -> Tensor:
    """Return the integer part of grey levels. Within 2**-20 below an integer, rounding errors count as the integer."""
    return (x + 2.0**-BITS).floor()


def weights(values: Sequence[float] | np.ndarray, bits: int = BITS) -> np.ndarray:
    """Return weights in proportion to the values that are multiples of 2**-bits and whose sum is 1, in any shape."""
    shares = np.asarray(values, np.float64)
    units = np.rint(shares / shares.sum() * (1 << bits))
    units.flat[int(units.argmax())] += (1 << bits) - units.sum()
    return units / (1 << bits)


def gaussian(sigma: float, truncate: float = 4.0) -> np.ndarray:
    """Return the weights of a Gaussian kernel of 2 r + 1 pixels, r = floor(truncate sigma + 0.5), as scipy has it."""
    radius = int(truncate * sigma + 0.5)
    away = np.arange(-radius, radius + 1)
    return weights(np.exp(-0.5 / sigma**2 * away**2) if radius else [1.0])


def blurred(x: Tensor, kernel: np.ndarray, border: str = "replicate") -> Tensor:
    """Convolve every channel with a symmetric kernel along rows, then along columns: (B, C, H, W) -> (B, C, H, W).

    Inputs must be multiples of 2**-12 below 2**9. `border` is a mode of torch's `pad`, or `symmetric`.
    """
    return along(along(x, kernel, 3, border), kernel, 2, border)


def along(x: Tensor, kernel: np.ndarray, axis: int, border: str) -> Tensor:
    """Convolve with a symmetric kernel along one axis of (B, C, H, W)."""
    return valid(padded(x, len(kernel) // 2, axis, border), kernel, axis)


def padded(x: Tensor, radius: int, axis: int, border: str) -> Tensor:
    """Return (B, C, H, W) with `radius` more places at both ends of an axis."""
    if not radius:
        return x
    first, last = _border(x.shape[axis], radius, border, x.device)
    return torch.cat([x.index_select(axis, first), x, x.index_select(axis, last)], axis)


def valid(x: Tensor, kernel: np.ndarray, axis: int) -> Tensor:
    """Convolve with a symmetric kernel along one axis, whose ends are cut by half of the kernel."""
    radius = len(kernel) // 2
    size = x.shape[axis] - 2 * radius
    total = x.narrow(axis, radius, size) * float(kernel[radius])
    for tap in range(radius):
        if kernel[tap]:
            pair = x.narrow(axis, tap, size) + x.narrow(axis, 2 * radius - tap, size)
            total += pair * float(kernel[tap])
    return total


def running(x: Tensor) -> Tensor:
    """Return the sums of the first 0, 1, ..., W values of each row: (B, C, H, W) -> (B, C, H, W + 1)."""
    return F.pad(x.cumsum(3), (1, 0))


@lru_cache(maxsize=64)
def _border(size: int, radius: int, border: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the places that the new places before and after an axis are read from: int64 (radius,) each."""
    with torch.inference_mode(False):
        first = torch.from_numpy(folded(np.arange(-radius, 0), size, border)).to(device)
        return first, torch.from_numpy(folded(np.arange(size, size + radius), size, border)).to(device)


def folded(places: np.ndarray, size: int, border: str) -> np.ndarray:
    """Return places inside an axis: `replicate` (aaa|abc|ccc), `symmetric` (cba|abc|cba) or `reflect` (cb|abc|ba)."""
    if border == "replicate" or size == 1:
        return places.clip(0, size - 1)
    period = 2 * size - (2 if border == "reflect" else 0)
    turned = places % period
    return np.where(turned < size, turned, period - turned - (0 if border == "reflect" else 1))


def zoomed(x: Tensor, zoom: float) -> Tensor:
    """Return the central zoom by linear interpolation, as ImageNet-C computes it: (B, C, H, W) -> (B, C, H, W).

    The centre of ceil(side / zoom) pixels is resampled to round(zoom ceil(side / zoom)) pixels, corner to corner, and
    cut to the side.
    """
    for _ in range(2):  # along rows, where reading is fast, of the image and of its transpose
        low, high, share = _of_zoom(x.shape[2], zoom, x.device)
        part = share[:, None]
        x = x.index_select(2, low) * (1 - part) + x.index_select(2, high) * part
        x = x.transpose(2, 3).contiguous()
    return x


@lru_cache(maxsize=256)
def _of_zoom(size: int, zoom: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the two places that each pixel is read from, and the share of the second: (size,) each."""
    cut = math.ceil(size / zoom)
    top, made = (size - cut) // 2, round(cut * zoom)
    places = (np.arange(size) + (made - size) // 2) * ((cut - 1) / (made - 1) if made > 1 else 0.0)
    low = np.minimum(places.astype(np.int64), max(cut - 2, 0))
    share = np.rint((places - low) * (1 << BITS)) / (1 << BITS)
    high = np.minimum(low + 1, cut - 1)
    with torch.inference_mode(False):
        return tuple(torch.from_numpy(each).to(device) for each in (low + top, high + top, share))  # type: ignore[return-value]


def sampled(x: Tensor, across: Tensor, down: Tensor, border: str, bits: int = _PLACES) -> Tensor:
    """Return each image at the given places by bilinear interpolation: (B, C, H, W), (B, H, W) each -> (B, C, H, W).

    Places are in pixels, and rounded to multiples of 2**-bits. `border` is that of `folded`.
    """
    batch, channels, height, width = x.shape
    (left, part_x), (top, part_y) = _split(across, bits), _split(down, bits)
    flat = x.flatten(2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        places = inside(row, height, border) * width + inside(column, width, border)
        return flat.gather(2, places.flatten(1)[:, None].expand(-1, channels, -1)).view(batch, channels, height, width)

    upper = at(top, left) * (1 - part_x) + at(top, left + 1) * part_x
    lower = at(top + 1, left) * (1 - part_x) + at(top + 1, left + 1) * part_x
    return upper * (1 - part_y) + lower * part_y


def _split(places: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Return the integer part and the fraction of places (B, H, W): int64 (B, H, W), float64 (B, 1, H, W)."""
    fine = rounded(places, bits)
    low = fine.floor()
    return low.long(), (fine - low)[:, None]


def inside(places: Tensor, size: int, border: str) -> Tensor:
    """Return integer places folded into an axis, as `folded` does: int64."""
    if border == "replicate" or size == 1:
        return places.clamp(0, size - 1)
    period = 2 * size - (2 if border == "reflect" else 0)
    turned = places.remainder(period)
    return torch.where(turned < size, turned, period - turned - (0 if border == "reflect" else 1))


def product(matrix: np.ndarray, x: Tensor, axis: int) -> Tensor:
    """Return a matrix with exact weights applied along the last (3) or the last but one axis (2) of (B, C, H, W)."""
    m = torch.from_numpy(matrix).to(x.device)
    return x @ m.T if axis == 3 else m @ x


def pooled(x: Tensor, side: int, border: str = "reflect") -> Tensor:
    """Return the sum over a square of an odd side around each pixel: (B, C, H, W) -> (B, C, H, W)."""
    return blurred(x, np.ones(side), border)


def maximum(x: Tensor) -> Tensor:
    """Return the largest value in the 3 x 3 pixels around each pixel: (B, C, H, W) -> (B, C, H, W)."""
    return F.max_pool2d(x, 3, stride=1, padding=1)
