"""Glass blur: each pixel is copied from one at a random offset, between two Gaussian blurs (arXiv:1903.12261)."""

from __future__ import annotations

import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed


def glass_blur(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Blur, copy pixels in scanning order, and blur again.

    Offsets are integers in [-d, d), so that the image also moves by half a pixel on average. The scan goes from the
    last row and column to the first. A pixel that is copied may itself be a copy.
    """
    sigma, reach, rounds = c[0], max(1, round(c[1])), int(c[2])
    kernel = exact.gaussian(sigma)
    x = exact.truncated(exact.blurred(x, kernel))
    height, width = x.shape[2:]
    for number in range(rounds):
        places = _sources(height, width, reach, keyed, number)  # (B, H W)
        x = x.flatten(2).gather(2, places[:, None].expand(-1, x.shape[1], -1)).view_as(x)
    return exact.blurred(x, kernel)


def _sources(height: int, width: int, reach: int, keyed: Keyed, number: int) -> Tensor:
    """Return the pixel that each pixel is a copy of after one scan: int64 (B, H W).

    A pixel that was scanned earlier is a copy already, so chains of copies are followed, two links in each round.
    """
    device = keyed.rows.device
    down, across = (keyed.below(2 * number + axis, 2 * reach, height, width) - reach for axis in (0, 1))
    rows = torch.arange(height, device=device)[:, None]
    columns = torch.arange(width, device=device)[None]
    scanned = ((rows > reach) & (rows <= height - reach) & (columns > reach) & (columns <= width - reach)).flatten()
    here = (rows * width + columns).flatten()
    found = ((rows + down) * width + columns + across).flatten(1)
    found = torch.where(scanned, found, here)  # (B, H W)
    open_ = (found > here) & scanned[found.clamp(0, height * width - 1)]  # of those, the source was scanned earlier
    while open_.any():
        further, still = found.gather(1, found), open_.gather(1, found)
        found, open_ = torch.where(open_, further, found), open_ & still
    return found
