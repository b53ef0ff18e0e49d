"""Counts of a model before it is built: parameters, FLOPs, tokens and activation bytes, alike for every family.

Our families have closed forms, in one file per family, which need only the standard library. Models that timm builds
are measured on the meta device as they are built (`measured.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..tables.families import FAMILIES, FamilyRow
from ..tables.models import ModelRow, model_row
from ..tables.own import FAMILY as OF_FILES
from ..tables.shape import Shape
from . import cnn, resnet, resnet1d, t2t, vit
from .measured import Measured, Own

CLOSED: dict[str, Any] = {"vit": vit, "t2t": t2t, "cnn": cnn, "resnet": resnet, "resnet1d": resnet1d}
_OF_16_BITS = ("bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class Family(FamilyRow):
    """A family's row with the counts of one of its models, each as a function of a shape."""

    closed: bool  # whether the counts are closed forms, without a built model
    check: Callable[[Shape], None]  # raises InputError for a shape that cannot be built
    parameters: Callable[[Shape], int]  # all trainable ones, embeddings and head included
    embedding_parameters: Callable[[Shape], int]
    flops: Callable[[Shape], int]  # of one input's forward pass, 2 per multiply-add
    tokens: Callable[[Shape], int]  # tokens of a block, 1 if there are none
    activation_bytes: Callable[..., int]  # (shape, maps_kept, checkpointing): kept of one input for backward, float32
    stream_bytes: Callable[..., int] | None = None  # (shape, checkpointing): of them, those of a residual stream

    def kept_bytes(
        self, shape: Shape, *, precision: str, residual_precision: str, maps_kept: bool, checkpointing: bool = False
    ) -> int:
        """Return the bytes that one input's forward pass keeps for the backward pass in a precision.

        Those in float32 are halved with bf16 or fp16, except for a float32 residual stream. On a GPU, this holds for
        compiled blocks. Without compiling, norms keep float32 copies of a bf16 stream there.
        """
        total = self.activation_bytes(shape, maps_kept=maps_kept, checkpointing=checkpointing)
        if precision not in _OF_16_BITS:
            return total
        wide = self.stream_bytes if residual_precision == "fp32" else None
        return (total + (wide(shape, checkpointing=checkpointing) if wide else 0)) // 2


COUNTS = ("check", "parameters", "embedding_parameters", "flops", "tokens", "activation_bytes")


def family_for(row: ModelRow) -> Family:
    """Return the family of a model's row, with the functions that count the model."""
    closed = CLOSED.get(row.family)
    counts = closed or (Own(row) if row.family == OF_FILES else Measured(row))
    functions: dict[str, Any] = {name: getattr(counts, name) for name in COUNTS}
    stream = getattr(counts, "stream_bytes", None)
    return Family(**vars(FAMILIES[row.family]), closed=closed is not None, **functions, stream_bytes=stream)


def family_of(model: str) -> Family:
    """Return the family of a model by name. Raises InputError with the nearest name for an unknown one."""
    return family_for(model_row(model))
