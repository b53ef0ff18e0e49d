"""Frost: a part of a photograph of ice is added (arXiv:1903.12261). `frost_procedural` generates a texture instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ....tables.corruption import Constants
from . import exact, motion, weather
from .keyed import Keyed

DRAWN = 5  # photographs; the published code never draws the sixth
_ICE = (0.80, 0.92, 1.0)  # red, green and blue of the texture
_NEEDLES = (3.0, 6.0)  # radius and sigma of a needle of ice at 32 px


@dataclass(frozen=True)
class Frost:
    """The corruption `frost` with its photographs, each uint8 (3, h, w) and already at the scale of the constants."""

    photographs: Sequence[Tensor]

    def __call__(self, x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
        """Return a x + b y, where y is a random part of a random photograph, of the size of the image."""
        channels, height, width = x.shape[1:]
        which = keyed.below(0, len(self.photographs)).tolist()
        shares = torch.stack([keyed.uniform(1), keyed.uniform(2)], 1).tolist()
        parts = []
        for number, (down, across) in zip(which, shares, strict=True):
            photograph = self.photographs[number]
            top = int(down * (photograph.shape[1] - height))
            left = int(across * (photograph.shape[2] - width))
            parts.append(photograph[:, top : top + height, left : left + width])
        ice = torch.stack(parts).to(x.device).double()
        return x * c[0] + (ice if channels == 3 else weather.luma(ice)) * c[1]


def frost_procedural(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return a x + b y, where y is a generated texture of ice in grey levels: a cloud crossed by two sets of needles.

    This is another corruption than `frost`, and no published number belongs to it.
    """
    height, width = x.shape[2:]
    cloud = weather.plasma(max(height, width), 1.6, keyed)[:, None, :height, :width]
    grow = min(height, width) / 32
    needles = torch.zeros_like(cloud)
    for number in range(2):
        seeds = (keyed.uniform(100 + number, 1, height, width) > 0.85).double() * 255
        angle = keyed.integers(110 + number, bits=motion.BITS)
        needles += motion.moved(seeds, _NEEDLES[0] * grow, _NEEDLES[1] * grow, angle, low=-90 + 90 * number)
    ice = exact.truncated((cloud * 130 + needles.clamp_(max=255) * 0.6).clamp_(0, 255))
    tint = torch.tensor(_ICE, dtype=torch.float64, device=x.device)[:, None, None]
    return x * c[0] + (ice * tint if x.shape[1] == 3 else ice) * c[1]
