"""What a model is built from: its input, its classes and the cells of its row; None where a family lacks a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.errors import InputError

_ABSENT: Any = None  # typed as if present: a family reads its own cells only


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Everything that a count depends on. Sides are in pixels."""

    image: int
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
    norm: str = _ABSENT  # layer | dyt
    pooling: str = _ABSENT  # cls | mean
    positions: str = _ABSENT  # learned | sincos
    patching: str = _ABSENT  # linear | shifted
    tokenizer: str = _ABSENT  # performer | transformer
    value_skip: bool = _ABSENT
    features: int = _ABSENT
    width: int = _ABSENT


CELLS = tuple(name for name in Shape.__dataclass_fields__ if name not in ("image", "channels", "classes"))


def require(shape: Shape, *names: str) -> None:
    """Raises InputError for cells that are not there: a config that was written by hand or by another version."""
    if missing := [name for name in names if getattr(shape, name) is None]:
        raise InputError(f"the config lacks {', '.join(missing)}")
