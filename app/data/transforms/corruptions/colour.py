"""Brightness, contrast and saturation (arXiv:1903.12261). HSV is that of Smith 1978, doi:10.1145/965139.807361."""

from __future__ import annotations

import torch
from torch import Tensor

from ....tables.corruption import Constants
from .keyed import Keyed


def brightness(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Add 255 c to the value, and keep hue and saturation: every channel is multiplied by the same factor."""
    del keyed
    value = x.amax(1, keepdim=True)
    brighter = (value + 255 * c[0]).clamp_(max=255)
    return torch.where(value > 0, x * brighter / value.clamp(min=1), brighter)


def contrast(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return m + c (x - m), where m is the mean of each channel of each image."""
    del keyed
    pixels = x.shape[2] * x.shape[3]
    mean = x.sum((2, 3), keepdim=True) / pixels  # a sum of integers, in any order
    return (x - mean) * c[0] + mean


def saturate(x: Tensor, c: Constants, keyed: Keyed) -> Tensor:
    """Return the image with the saturation a s + b, cut to [0, 1]; value and hue do not change.

    A grey pixel has the hue of red, as in scikit-image.
    """
    del keyed
    value, least = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    chroma = value - least
    grey = chroma == 0
    saturation = chroma / value.clamp(min=1) * c[0] + c[1]
    red = torch.tensor([0.0, 1.0, 1.0], dtype=x.dtype, device=x.device)[:, None, None]
    below = torch.where(grey, red, (value - x) / chroma.clamp(min=1))  # share of the chroma below the value
    return value - value * saturation.clamp_(0, 1) * below
