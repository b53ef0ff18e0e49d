"""The antialiased bilinear resize of a batch as two matrix products, since it is linear and separable by axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from ...tables.shape import Extent, plane
from .transform import Draws


@dataclass(frozen=True)
class Resize:
    """Bilinear resize with antialiasing to the side of the model's inputs: (B, C, H, W) -> float (B, C, H', W')."""

    side: Extent
    in_training_only = False

    def __call__(self, inputs: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch with resized inputs."""
        del draws
        return resized(inputs.float(), self.side), targets


def resized(images: Tensor, side: Extent) -> Tensor:
    """Return R X C^T for every channel of every image: float (B, C, H, W) -> (B, C, H', W').

    A square has H' = W' = `side`. R (H', H) and C (W', W) are the weights of torch's `interpolate(mode="bilinear",
    antialias=True)`.
    """
    batch, channels, height, width = images.shape
    high, wide = plane(side)
    if (height, width) == (high, wide):
        return images
    rows = weights(height, high, images.device, images.dtype)
    columns = weights(width, wide, images.device, images.dtype)
    across = images.reshape(-1, width) @ columns.T  # (B C H, W'): one product, and no channel is moved
    return torch.matmul(rows, across.view(-1, height, wide)).view(batch, channels, high, wide)


@lru_cache(maxsize=16)
def weights(stored: int, side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the weights of the stored pixels for each pixel along a resized axis: (side, stored).

    Every row sums to one. The weights are torch's resize of the unit vectors in the same dtype, so that both round
    alike. In float32 they are bit-identical to it, while weights computed in float64 would be 3e-6 off at 32 -> 224.
    """
    with torch.inference_mode(False):  # a cached tensor may meet autograd later
        unit = torch.eye(stored, dtype=dtype)[None, None]  # (1, 1, stored, stored)
        return F.interpolate(unit, size=(side, stored), mode="bilinear", antialias=True)[0, 0].to(device)
