"""Spatter: drops of water or of mud on the lens (ImageNet-C's additional corruption, arXiv:1903.12261, appendix).

Drops of water are drawn along edges that are found as by OpenCV: Canny 1986, doi:10.1109/TPAMI.1986.4767851, and the
chamfer distance of Borgefors 1986, doi:10.1016/S0734-189X(86)80047-0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed

_LOW, _HIGH = 50, 150  # thresholds of the gradient
_TANGENT = 13573 / (1 << 15)  # of 22.5 degrees
_FARTHEST = 20  # pixels
_STEPS = ((1.0, ((0, 1), (1, 0), (0, -1), (-1, 0))), (1.4, ((1, 1), (1, -1), (-1, 1), (-1, -1))),
          (2.1969, ((1, 2), (2, 1), (-1, 2), (-2, 1), (1, -2), (2, -1), (-1, -2), (-2, -1))))  # fmt: skip
_WATER, _MUD = (175, 238, 238), (63, 42, 20)  # red, green, blue: the published code adds them to RGB images


def spatter(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Add turquoise drops where blurred noise is above a threshold, or cover with brown ones: (B, 3, H, W)."""
    mean, deviation, sigma, threshold, strength, is_mud = c
    noise = exact.rounded(keyed.normal(0, 1, *x.shape[2:]) * deviation + mean, 12)
    liquid = exact.blurred(noise, exact.gaussian(sigma))
    liquid = torch.where(liquid < threshold, 0.0, liquid)
    if is_mud:
        cover = exact.blurred((liquid > threshold).double(), exact.gaussian(strength))
        cover = torch.where(cover < 0.8, 0.0, cover)
        return x * (1 - cover) + _colour(_MUD, x) * cover
    drops = _drops(exact.truncated(liquid * 255).clamp_(0, 255))
    most = drops.amax((2, 3), keepdim=True)
    drops = drops / torch.where(most > 0, most, 1.0) * strength  # without drops the image stays as it is
    return x + _colour(_WATER, x) * drops


def _colour(values: tuple[int, ...], x: Tensor) -> Tensor:
    return torch.tensor(values, dtype=x.dtype, device=x.device)[:, None, None]


def _drops(liquid: Tensor) -> Tensor:
    """Return the thickness of drops in any unit from a grey image of integers: (B, 1, H, W)."""
    distance = _distance(_edges(liquid)).clamp_(max=_FARTHEST)
    distance = exact.truncated(exact.pooled(exact.rounded(distance, 16), 3) / 9)
    relief = _equalized(distance.long().flatten(2)).view(distance.shape).double()
    return liquid * ((exact.pooled(_embossed(relief), 3) / 9) + 0.5).floor()


def _equalized(levels: Tensor) -> Tensor:
    """Return grey levels with a flat histogram, as OpenCV's `equalizeHist`: int64 (B, 1, N) in 0..255 -> (B, 1, N).

    With n_v values up to level v, and n_0 of the lowest level, v becomes the integer next to 255 (n_v - n_0)/(N - n_0).
    """
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.int64, device=levels.device)
    sums = counts.scatter_add_(2, levels, torch.ones_like(levels)).cumsum(2)
    lowest = sums.gather(2, levels.amin(2, keepdim=True))
    left = levels.shape[2] - lowest
    table = ((sums - lowest).float() * (255 / left.clamp(min=1).float())).round().long()  # float32, as OpenCV has it
    return torch.where(left > 0, table.gather(2, levels), levels)


def _embossed(x: Tensor) -> Tensor:
    """Return the correlation with ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)), clipped to 0..255."""
    height, width = x.shape[2:]
    for axis in (2, 3):
        x = exact.padded(x, 1, axis, "reflect")

    def at(down: int, across: int) -> Tensor:
        return x[:, :, down : down + height, across : across + width]

    total = at(2, 2) * 2 + at(2, 1) + at(1, 2) + at(1, 1) - at(0, 1) - at(1, 0) - at(0, 0) * 2
    return total.clamp_(0, 255)


def _edges(x: Tensor) -> Tensor:
    """Return Canny's edges of a grey image of integers: bool (B, 1, H, W)."""
    across, down = _gradient(x, 3), _gradient(x, 2)
    size = across.abs() + down.abs()
    around = torch.nn.functional.pad(size, (1, 1, 1, 1))
    height, width = x.shape[2:]

    def at(dy: int, dx: int) -> Tensor:
        return around[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    flat = down.abs() < across.abs() * _TANGENT
    steep = down.abs() > across.abs() * (_TANGENT + 2)
    falling = (across < 0) != (down < 0)
    level = (size > at(0, -1)) & (size >= at(0, 1))
    upright = (size > at(-1, 0)) & (size >= at(1, 0))
    oblique = torch.where(falling, (size > at(-1, 1)) & (size > at(1, -1)), (size > at(-1, -1)) & (size > at(1, 1)))
    thin = torch.where(flat, level, torch.where(steep, upright, oblique)) & (size > _LOW)
    edges = thin & (size > _HIGH)
    while True:  # weak edges that touch an edge are edges
        grown = thin & (exact.maximum(edges.double()) > 0)
        if torch.equal(grown, edges):
            return edges
        edges = grown


def _gradient(x: Tensor, axis: int) -> Tensor:
    """Return Sobel's derivative along an axis, with a repeated border."""
    for each in (2, 3):
        x = exact.padded(x, 1, each, "replicate")
    other, sizes = 5 - axis, [size - 2 for size in x.shape]

    def part(first: int, second: int) -> Tensor:
        return x.narrow(axis, first, sizes[axis]).narrow(other, second, sizes[other])

    return sum((part(2, place) - part(0, place)) * (2 if place == 1 else 1) for place in range(3))  # type: ignore[return-value]


def _distance(edges: Tensor) -> Tensor:
    """Return the distance in pixels to the nearest edge by steps of 1, 1.4 and 2.1969, up to 20: (B, 1, H, W)."""
    found = torch.where(edges, 0.0, 2.0 * _FARTHEST).double()
    height, width = edges.shape[2:]
    for _ in range(_FARTHEST):
        around = torch.nn.functional.pad(found, (2, 2, 2, 2), value=2.0 * _FARTHEST)
        shorter = found
        for length, moves in _STEPS:
            for dy, dx in moves:
                moved = around[:, :, 2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width] + length
                shorter = torch.minimum(shorter, moved)
        if torch.equal(shorter, found):
            break
        found = shorter
    return found
