"""LANL's interpretable CNN: convolutions at full resolution, whose maps can be inspected, then a reduction to 8 x 8."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ..counts.cnn import HIDDEN, KERNEL, Sides, reductions
from ..tables.shape import Extent


class ConvolutionBlock(nn.Module):
    """GELU(BatchNorm(convolution 5 x 5)), with a bias; (B, C, H, W) -> (B, features, H', W')."""

    def __init__(
        self, channels: int, features: int, *, stride: Sides = (1, 1), padding: Sides = (KERNEL // 2, KERNEL // 2)
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, features, KERNEL, stride=stride, padding=padding)
        self.norm = nn.BatchNorm2d(features)
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.convolution(x)))


class CNN(nn.Module):
    """`depth` blocks at full resolution, strided blocks until both sides are at most 8, a convolution, two linear maps.

    images (B, channels, H, W) -> outputs (B, classes). `image` is a side or (H, W). LANL's has no dropout. Here it acts
    on the inputs of the two linear maps, and `dropout=0` is LANL's. Initialisation is torch's default, as theirs.
    Blocks are not recomputed in the backward pass, because their batch statistics would enter the running averages
    twice.
    """

    def __init__(
        self,
        *,
        image: Extent,
        channels: int,
        classes: int,
        depth: int,
        features: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers = list(reductions(image))
        high, wide = layers[-1].sides
        widths = [channels, *[features] * depth]
        self.blocks = nn.ModuleList(ConvolutionBlock(before, after) for before, after in pairwise(widths))
        self.reduction = nn.Sequential(
            *(ConvolutionBlock(features, features, stride=layer.stride, padding=layer.padding) for layer in layers)
        )
        self.convolution = nn.Conv2d(features, features, KERNEL, padding=KERNEL // 2)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.expand = nn.Linear(high * wide * features, HIDDEN)
        self.head = nn.Linear(HIDDEN, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for block in self.blocks:
            x = block(x)  # (B, features, H, W)
        x = self.activation(self.convolution(self.reduction(x)))  # (B, features, h, w), h and w at most 8
        x = self.activation(self.expand(self.dropout(x.flatten(1))))  # (B, 20)
        return self.head(self.dropout(x))
