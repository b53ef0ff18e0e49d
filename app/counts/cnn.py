"""Closed-form counts of LANL's interpretable CNN: layers, parameters, floating-point operations, bytes kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InputError
from ..tables.ranges import MOST, check_positive
from ..tables.shape import Extent, Shape, plane

KERNEL = 5
SMALLEST = 8  # the reduction ends once no side is above this
HIDDEN = 20  # features between the two linear layers

Sides = tuple[int, int]  # (H, W)


@dataclass(frozen=True)
class Reduction:
    """One convolution of the reduction, per axis (H, W)."""

    stride: Sides
    padding: Sides
    sides: Sides  # of its output


def reductions(image: Extent) -> Iterator[Reduction]:
    """Yield the reduction's convolutions: both axes are halved once, then each axis above 8 until none is."""
    now, stride, padding = plane(image), (2, 2), (2, 2)
    while True:
        now = _after(now, stride, padding)
        yield Reduction(stride, padding, now)
        if max(now) <= SMALLEST:
            return
        stride = (2 if now[0] > SMALLEST else 1, 2 if now[1] > SMALLEST else 1)
        padding = (2 * stride[0], 2 * stride[1])


def _after(now: Sides, stride: Sides, padding: Sides) -> Sides:
    high, wide = ((side + 2 * p - KERNEL) // s + 1 for side, s, p in zip(now, stride, padding, strict=True))
    return high, wide


def check(shape: Shape) -> None:
    """Raise InputError for a shape that cannot be built."""
    plane(shape.image)
    if missing := [name for name in ("depth", "features") if getattr(shape, name) is None]:
        raise InputError(f"the config has no {', '.join(missing)}. Give every field")
    check_positive(channels=shape.channels, classes=shape.classes, most=MOST)
    check_positive(depth=shape.depth, features=shape.features, most=MOST)


def _convolution(wide_in: int, wide_out: int) -> int:
    return KERNEL**2 * wide_in * wide_out + wide_out


def parameters(shape: Shape) -> int:
    """Return the trainable parameters: convolutions and linear layers with biases, two per batch norm channel."""
    f, layers = shape.features, list(reductions(shape.image))
    first = _convolution(shape.channels, f) + 2 * f
    blocks = (shape.depth - 1 + len(layers)) * (_convolution(f, f) + 2 * f)
    high, wide = layers[-1].sides
    return first + blocks + _convolution(f, f) + (high * wide * f + 1) * HIDDEN + (HIDDEN + 1) * shape.classes


def embedding_parameters(_shape: Shape) -> int:
    """Return 0, since there is no embedding."""
    return 0


def flops(shape: Shape) -> int:
    """Return the floating-point operations of one image's forward pass, 2 per multiply-add.

    Norms and activations are not counted.
    """
    f, (high, wide), layers = shape.features, plane(shape.image), list(reductions(shape.image))
    pixels = sum(layer.sides[0] * layer.sides[1] for layer in layers)
    last = layers[-1].sides[0] * layers[-1].sides[1]
    whole = high * wide * (shape.channels + (shape.depth - 1) * f)
    multiplied = KERNEL**2 * f * (whole + (pixels + last) * f) + last * f * HIDDEN + HIDDEN * shape.classes
    return 2 * multiplied


def tokens(_shape: Shape) -> int:
    """Return 1, since there are no tokens."""
    return 1


def activation_bytes(shape: Shape, *, maps_kept: bool = False, checkpointing: bool = False) -> int:  # noqa: ARG001
    """Return the bytes that one image's forward pass keeps for the backward pass in float32.

    Each block keeps the inputs of its batch norm, its GELU and its next convolution. The model has no maps and no
    checkpointing.
    """
    f, (high, wide), layers = shape.features, plane(shape.image), list(reductions(shape.image))
    pixels = shape.depth * high * wide + sum(layer.sides[0] * layer.sides[1] for layer in layers)
    last = layers[-1].sides[0] * layers[-1].sides[1]
    return 4 * (shape.channels * high * wide + 3 * f * pixels + 2 * f * last + 2 * HIDDEN)
