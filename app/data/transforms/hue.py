"""A random turn of every hue in a batch on its device, as torchvision's adjust_hue. Draws are keyed by example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ... import draws as keyed
from .transform import Draws

_PART = 11  # of a draw's key
_SHIFTS = (5, 3, 1)  # n of red, green and blue, in sixths of the colour circle


def drawn(most: float, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return the share of the colour circle by which each example is turned: float (B,), uniform in -most..most."""
    return most * (2 * keyed.uniform(keyed.key(keyed.AUGMENT, seed, epoch, _PART), examples) - 1)


def turned(x: Tensor, shares: Tensor) -> Tensor:
    """Return images with every hue moved along the colour circle; value and saturation do not change.

    x float (B, 3, H, W) in [0, 1], shares (B,) of the circle -> (B, 3, H, W). In hue h, value v and saturation s
    (Smith 1978, doi:10.1145/965139.807361), the channel with shift n is
    v - v s clamp(min(k, 4 - k), 0, 1), where k = (n + 6 h) mod 6.
    """
    red, green, blue = x.unbind(1)
    value, least = x.amax(1), x.amin(1)
    chroma = value - least
    safe = torch.where(chroma == 0, 1.0, chroma)
    below_red = torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    hue = torch.where(value == red, (green - blue) / safe, below_red) + 6 * shares[:, None, None]  # in sixths: 6 h
    k = torch.stack([(hue + n).remainder(6) for n in _SHIFTS], dim=1)  # (B, 3, H, W)
    return value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp_(0, 1)


def jittered(images: Tensor, most: float, *, examples: Tensor, seed: int, epoch: int) -> Tensor:
    """Return each image with its hues turned by a random share: uint8 (B, 3, H, W) -> uint8 (B, 3, H, W)."""
    shares = drawn(most, examples=examples, seed=seed, epoch=epoch).float()
    return (turned(images.float() / 255, shares) * 255).round_().to(torch.uint8)


@dataclass(frozen=True)
class Hue:
    """`jittered` as a transform of a batch, in training only."""

    most: float
    in_training_only = True

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with turned hues. Targets do not change."""
        return jittered(inputs, self.most, **draws.keys()), targets
