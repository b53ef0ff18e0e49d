"""What a model is built from: its input, its classes, and the cells of its row; None where a family has no such cell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Everything that a count depends on. Sides are in pixels."""

    image: int
    channels: int
    classes: int
    patch: int | None = None
    attention: str | None = None
    d_model: int | None = None
    depth: int | None = None
    heads: int | None = None
    head_width: int | None = None  # None: d_model / heads
    mlp_ratio: float | None = None
    qkv_bias: bool | None = None
    norm: str | None = None  # layer | dyt
    pooling: str | None = None  # cls | mean
    positions: str | None = None  # learned | sincos
    patching: str | None = None  # linear | shifted
    tokenizer: str | None = None  # performer | transformer
    value_skip: bool | None = None
    features: int | None = None
    width: int | None = None


CELLS = tuple(name for name in Shape.__dataclass_fields__ if name not in ("image", "channels", "classes"))
