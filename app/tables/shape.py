"""The values that a model is built from: input, classes and cells of its row. None if a family lacks a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from .ranges import MOST

Extent = int | tuple[int, ...]  # the side of a square, (H, W) of an image or field in pixels, (L,) of a signal
TASKS = ("classification", "regression")
_ABSENT: Any = None  # typed as if present: a family reads its own cells only


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Everything that a count depends on. Sides are in pixels."""

    image: Extent
    channels: int
    classes: int
    patch: int = _ABSENT
    attention: str = _ABSENT
    d_model: int = _ABSENT
    depth: int = _ABSENT
    heads: int = _ABSENT
    head_width: int = _ABSENT  # of a query
    mlp_ratio: float = _ABSENT
    qkv_bias: bool = _ABSENT
    projection_bias: bool = _ABSENT  # of the attention's output
    norm: str = _ABSENT  # layer | dyt; of the 1-D ResNet batch | layer
    pooling: str = _ABSENT  # cls | mean; of the 1-D ResNet mean | max
    positions: str = _ABSENT  # learned | sincos
    patching: str = _ABSENT  # linear | shifted
    norm_eps: float = _ABSENT  # of layer norms, in the denominator
    tokenizer: str = _ABSENT  # performer | transformer
    token_dropout: bool = _ABSENT  # whether the tokens-to-token module drops too
    value_skip: bool = _ABSENT
    features: int = _ABSENT
    width: int = _ABSENT
    kernel: int = _ABSENT  # side of a depthwise convolution's, in tokens
    stem_pool: bool = _ABSENT
    projection: str = _ABSENT  # first | every
    stem_dropout: bool = _ABSENT
    discriminator: bool = _ABSENT
    model_args: str = _ABSENT  # of a model of a file: NAME=VALUE,...
    grow: str = _ABSENT  # its keyword that grows, NAME or NAME:STEP
    grow_to: int = _ABSENT  # the value of that keyword


CELLS = tuple(name for name in Shape.__dataclass_fields__ if name not in ("image", "channels", "classes"))


def extent(image: Extent) -> tuple[int, ...]:
    """Return the numbers along each axis of an input: (H, W), also for one number, which is a square's, or (L,)."""
    return (image, image) if isinstance(image, int) else tuple(image)


def normal(image: Any) -> Extent:
    """Return an extent in its only spelling: a side for a square, else a tuple.

    Raises InputError for an invalid extent.
    """
    axes = list(image) if isinstance(image, list | tuple) else [image, image]
    if not 1 <= len(axes) <= 2 or not all(type(axis) is int and 0 < axis <= MOST for axis in axes):
        what = f"{image} is out of range" if type(image) is int else f"{image!r} is not an input size"
        raise InputError(
            f"image={what}. Use a side above 0 (224), height x width (1700x500) or a signal's length (3041)"
        )
    return axes[0] if len(axes) == 2 and axes[0] == axes[1] else tuple(axes)


def parsed_extent(text: str) -> Extent:
    """Return the extent of a text: a side, height x width, or the length of a signal. Raise InputError."""
    axes = text.lower().split("x")
    if not all(axis.strip().isdecimal() for axis in axes):
        raise InputError(
            f"{text!r} is not an input size. Use a side (224), height x width (1700x500) or a signal's length (3041)"
        )
    return normal([int(axis) for axis in axes] if len(axes) > 1 else int(axes[0]))


def smaller(image: Extent, native: Extent | None) -> Extent:
    """Return the smaller extent per axis of the input and its source, or the input's if the source is unknown."""
    seen, there = extent(image), extent(native or image)
    if len(seen) != len(there):
        raise InputError(
            f"image={with_unit(image)} does not match the data, which have {with_unit(native or image)}. Use as many "
            "sides as the data have"
        )
    return normal([min(one, other) for one, other in zip(seen, there, strict=True)])


def spelled(image: Extent) -> str:
    """Return an extent as options and messages show it: 224, 1700x500, and 3041 for a signal of that length."""
    return str(image) if isinstance(image, int) else "x".join(map(str, image))


def with_unit(image: Extent) -> str:
    """Return an extent with its unit: 224 px, 1700x500 px, 3041 samples."""
    return f"{spelled(image)} {'px' if len(extent(image)) == 2 else 'samples'}"


def plane(image: Extent) -> tuple[int, int]:
    """Return (H, W) for a model that accepts images and fields. Raises InputError for a signal."""
    axes = extent(normal(image))
    if len(axes) != 2:
        raise InputError(
            f"this model takes images and fields, not a signal of {spelled(image)} samples. For signals, use "
            "resnet1d, vit_classic or vit_differential"
        )
    return axes[0], axes[1]


def side_of(image: Extent) -> int:
    """Return the side for a model that accepts square images only. Raises InputError for another extent."""
    height, width = plane(image)
    if height != width:
        raise InputError(f"this model takes square images only, not image={spelled(image)}. Give one side")
    return height


def require(shape: Shape, *names: str) -> None:
    """Raise InputError for missing cells, of a config that was written by hand or by another version."""
    if missing := [name for name in names if getattr(shape, name) is None]:
        raise InputError(f"the config has no {', '.join(missing)}. Give every field")
