"""Closed-form counts of the 1-D ResNet for diffraction patterns: convolutions, parameters, operations, bytes kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InputError
from ..tables.ranges import MOST, check_known, check_positive
from ..tables.shape import Extent, Shape, extent, normal, require, spelled

STEM_KERNEL = 13
POOL = 7  # samples, and as many between windows
NORMS = ("batch", "layer")
POOLINGS = ("mean", "max")
PROJECTIONS = ("first", "every")


@dataclass(frozen=True)
class Stage:
    """Blocks of one length. `features` are relative to those of the first stage."""

    features: int
    kernel: int
    stride: int  # of the first block
    blocks: int = 2


STAGES = (Stage(1, 5, 4), Stage(2, 7, 4), Stage(2, 17, 5), Stage(2, 13, 3))


@dataclass(frozen=True)
class Convolution:
    """One convolution without bias and its norm."""

    channels: int
    features: int
    kernel: int
    samples: int  # of its output
    shortcut: bool = False  # it projects a block's input for the residual sum

    @property
    def weights(self) -> int:
        """The number of weights of its kernels."""
        return self.channels * self.features * self.kernel


def length_of(image: Extent) -> int:
    """Return the length of a signal. Raises InputError for an image or field."""
    axes = extent(normal(image))
    if len(axes) != 1:
        raise InputError(f"resnet1d takes signals, not images of {spelled(image)} px. Use resnet18 for images")
    return axes[0]


def pooled(samples: int) -> int:
    """Return the samples after the stem's pooling, without incomplete windows."""
    return (samples - POOL) // POOL + 1


def stem_samples(shape: Shape) -> int:
    """Return the samples after the stem: a convolution without padding, then the pooling, if there is one."""
    samples = length_of(shape.image) - STEM_KERNEL + 1
    return pooled(samples) if shape.stem_pool else samples


def least(*, stem_pool: bool) -> int:
    """Return the shortest signal for which the stem returns a sample. Strided stages are padded and keep one."""
    return STEM_KERNEL + (POOL - 1 if stem_pool else 0)


def check(shape: Shape) -> None:
    """Raise InputError for a shape that cannot be built."""
    require(shape, "width", "norm", "pooling", "stem_pool", "projection", "stem_dropout", "discriminator")
    for name, known in (("norm", NORMS), ("pooling", POOLINGS), ("projection", PROJECTIONS)):
        check_known(name, getattr(shape, name), known)
    check_positive(channels=shape.channels, classes=shape.classes, width=shape.width, most=MOST)
    check_length(shape.image, stem_pool=shape.stem_pool)


def check_length(image: Extent, *, stem_pool: bool) -> None:
    """Raise InputError for a signal that is too short for the stem, and for an image."""
    if (length := length_of(image)) < (shortest := least(stem_pool=stem_pool)):
        raise InputError(f"a signal of {length} samples is too short for resnet1d. Use {shortest} samples or more")


def convolutions(shape: Shape) -> Iterator[Convolution]:
    """Yield every convolution in the order of the forward pass.

    A shortcut comes after its block's other convolutions.
    """
    channels, samples = shape.width, length_of(shape.image) - STEM_KERNEL + 1
    yield Convolution(shape.channels, channels, STEM_KERNEL, samples)
    samples = stem_samples(shape)
    for stage in STAGES:
        features = stage.features * shape.width
        for block in range(stage.blocks):
            samples = (samples - 1) // (1 if block else stage.stride) + 1  # kernels are odd and padded by half
            yield Convolution(channels, features, stage.kernel, samples)
            yield Convolution(features, features, stage.kernel, samples)
            if block == 0 or shape.projection == "every":
                yield Convolution(channels, features, 1, samples, shortcut=True)
            channels = features


def _features(shape: Shape) -> int:
    return STAGES[-1].features * shape.width


def parameters(shape: Shape) -> int:
    """Return the trainable parameters: kernels, two per channel of every norm, both heads."""
    body = sum(layer.weights + 2 * layer.features for layer in convolutions(shape))
    return body + (_features(shape) + 1) * (shape.classes + shape.discriminator)


def embedding_parameters(_shape: Shape) -> int:
    """Return 0, since there is no embedding."""
    return 0


def flops(shape: Shape) -> int:
    """Return the floating-point operations of one signal's forward pass, 2 per multiply-add.

    Norms and activations are not counted, nor is the second head, which evaluation skips.
    """
    multiplied = sum(layer.weights * layer.samples for layer in convolutions(shape))
    return 2 * (multiplied + _features(shape) * shape.classes)


def tokens(_shape: Shape) -> int:
    """Return 1, since there are no tokens."""
    return 1


def activation_bytes(shape: Shape, *, maps_kept: bool = False, checkpointing: bool = False) -> int:  # noqa: ARG001
    """Return the bytes that one signal's forward pass keeps for the backward pass in float32.

    Each convolution keeps its output, its norm's output and, unless it is a shortcut, the output of its GELU. Max-pool
    keeps its output and its indices (8 bytes). The model has no maps and no checkpointing.
    """
    kept = shape.channels * length_of(shape.image) + _features(shape)
    kept += sum((2 if layer.shortcut else 3) * layer.features * layer.samples for layer in convolutions(shape))
    return 4 * (kept + (3 * shape.width * stem_samples(shape) if shape.stem_pool else 0))
