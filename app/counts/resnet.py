"""Closed-form counts of the ResNets (arXiv:1512.03385): convolutions, parameters, operations, bytes kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InputError
from ..tables.ranges import MOST, check_positive
from ..tables.shape import Extent, Shape, plane

IMAGENET_FROM = 64  # pixels of the shorter side, from which the stem is ImageNet's


@dataclass(frozen=True)
class Depth:
    """A depth of the paper's table 1: blocks per stage, and whether they are bottlenecks."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool

    @property
    def expansion(self) -> int:
        """A block's output channels divided by its inner channels."""
        return 4 if self.bottleneck else 1


DEPTHS = {
    18: Depth((2, 2, 2, 2), bottleneck=False),
    34: Depth((3, 4, 6, 3), bottleneck=False),
    50: Depth((3, 4, 6, 3), bottleneck=True),
    101: Depth((3, 4, 23, 3), bottleneck=True),
}


@dataclass(frozen=True)
class Convolution:
    """One convolution without bias and its batch norm."""

    channels: int
    features: int
    kernel: int
    pixels: int  # of its output
    shortcut: bool = False  # it projects a block's input for the residual sum

    @property
    def weights(self) -> int:
        """The number of weights of its kernels."""
        return self.channels * self.features * self.kernel**2


def is_small(image: Extent) -> bool:
    """Return whether an image gets the CIFAR stem: 3 x 3 with stride 1 and no max-pool."""
    return min(plane(image)) < IMAGENET_FROM


def check(shape: Shape) -> None:
    """Raise InputError for a shape that cannot be built."""
    plane(shape.image)
    if missing := [name for name in ("depth", "width") if getattr(shape, name) is None]:
        raise InputError(f"the config has no {', '.join(missing)}. Give every field")
    check_positive(channels=shape.channels, classes=shape.classes, width=shape.width, most=MOST)
    if shape.depth not in DEPTHS:
        raise InputError(f"a ResNet of depth={shape.depth} is not in the paper's table. Valid values: "
                         f"{', '.join(map(str, DEPTHS))}")  # fmt: skip


def convolutions(shape: Shape) -> Iterator[Convolution]:
    """Yield every convolution in the order of the forward pass."""
    high, wide = plane(shape.image)
    depth, channels = DEPTHS[shape.depth], shape.width
    small = is_small(shape.image)
    if not small:
        high, wide = _halved(high), _halved(wide)
    yield Convolution(shape.channels, channels, 3 if small else 7, high * wide)
    if not small:
        high, wide = _halved(high), _halved(wide)
    for stage, blocks in enumerate(depth.blocks):
        inner = shape.width * 2**stage
        for block in range(blocks):
            strided = stage > 0 and block == 0
            before = high * wide
            if strided:
                high, wide = _halved(high), _halved(wide)
            yield from _block(depth, channels, inner, before, high * wide, strided=strided)
            channels = inner * depth.expansion


def _halved(side: int) -> int:
    return (side + 1) // 2


def _block(depth: Depth, channels: int, inner: int, before: int, after: int, *, strided: bool) -> Iterator[Convolution]:
    """Yield the convolutions of one block.

    A bottleneck strides in its 3 x 3 convolution, as torchvision's (ResNet v1.5).
    """
    if depth.bottleneck:
        yield Convolution(channels, inner, 1, before)
        yield Convolution(inner, inner, 3, after)
        yield Convolution(inner, 4 * inner, 1, after)
    else:
        yield Convolution(channels, inner, 3, after)
        yield Convolution(inner, inner, 3, after)
    if strided or channels != inner * depth.expansion:
        yield Convolution(channels, inner * depth.expansion, 1, after, shortcut=True)


def _features(shape: Shape) -> int:
    return 8 * shape.width * DEPTHS[shape.depth].expansion


def parameters(shape: Shape) -> int:
    """Return the trainable parameters: kernels, two per channel of every batch norm, the head."""
    body = sum(layer.weights + 2 * layer.features for layer in convolutions(shape))
    return body + (_features(shape) + 1) * shape.classes


def embedding_parameters(_shape: Shape) -> int:
    """Return 0, since there is no embedding."""
    return 0


def flops(shape: Shape) -> int:
    """Return the floating-point operations of one image's forward pass, 2 per multiply-add.

    Norms and activations are not counted.
    """
    return 2 * sum(layer.weights * layer.pixels for layer in convolutions(shape)) + 2 * _features(shape) * shape.classes


def tokens(_shape: Shape) -> int:
    """Return 1, since there are no tokens."""
    return 1


def activation_bytes(shape: Shape, *, maps_kept: bool = False, checkpointing: bool = False) -> int:  # noqa: ARG001
    """Return the bytes that one image's forward pass keeps for the backward pass in float32.

    Each convolution keeps its output and, unless it is a shortcut, the output of its ReLU. ImageNet's stem also keeps
    the max-pool's output and its indices (8 bytes). The model has no maps and no checkpointing.
    """
    high, wide = plane(shape.image)
    kept = shape.channels * high * wide + _features(shape)
    kept += sum((1 if layer.shortcut else 2) * layer.features * layer.pixels for layer in convolutions(shape))
    if not is_small(shape.image):
        kept += 3 * shape.width * _halved(_halved(high)) * _halved(_halved(wide))
    return 4 * kept
