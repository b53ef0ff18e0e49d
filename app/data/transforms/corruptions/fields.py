"""What a detector does to a field: noise in each pixel, and blur. Fields are float64 (B, C, H, W) in any unit."""

from __future__ import annotations

from torch import Tensor

from ....tables.corruption import Constants
from . import exact
from .keyed import Keyed


def pixel_noise(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Add normal noise of c times the range of each channel, one draw per value. Values below 0 are kept."""
    reach = x.amax((2, 3), keepdim=True) - x.amin((2, 3), keepdim=True)
    return x + keyed.normal(0, *x.shape[1:]) * (reach * c[0])


def pixel_blur(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Convolve with a Gaussian of c pixels. The border is mirrored, so that the mean stays."""
    del keyed
    return exact.blurred(x, exact.gaussian(c[0]), "symmetric")
