"""Counts of models that timm builds, so that they can be listed without building: rows that docs/counted.py wrote."""

from __future__ import annotations

from typing import NamedTuple

from app.tables.counted_rows import COUNTED


class CountedRow(NamedTuple):
    """One model on one kind of image: its growth axis's value, and what app.models.counting finds there."""

    model: str
    size: str  # a budget, or the model's own name
    value: int  # of the family's growth axis; 0 where it has none
    image: int  # pixels
    channels: int
    classes: int
    parameters: int
    non_embedding: int
    flops: int  # of one image's forward pass
    tokens: int
    activation_bytes: int  # of one image, in float32


ROWS = tuple(CountedRow(*row) for row in COUNTED)


def find(model: str, value: int, *, image: int, channels: int, classes: int) -> CountedRow | None:
    """The row of a model whose growth axis has that value, its other cells its own; None where it was not counted."""
    wanted = (value, image, channels, classes)
    found = (row for row in ROWS if row.model == model)
    return next((row for row in found if (row.value, row.image, row.channels, row.classes) == wanted), None)
