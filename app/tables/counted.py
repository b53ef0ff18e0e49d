"""Counts of models that timm builds: rows that docs/counted.py wrote, else by building, which a layer above does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .counted_rows import COUNTED
from .shape import Shape

if TYPE_CHECKING:
    from .families import Family

Measure = Callable[[str], "Family"]  # of a model by name


class CountedRow(NamedTuple):
    """One model on one kind of image: its growth axis's value, and what app.models.counting finds there."""

    model: str
    size: str  # a budget, the model's own name, or `below` and `above` a budget that is missed
    value: int  # of the family's growth axis; 0 where it has none
    image: int  # pixels
    channels: int
    classes: int
    parameters: int
    non_embedding: int
    flops: int  # of one image's forward pass
    tokens: int
    activation_bytes: int  # of one image, in float32

    @property
    def embedding_parameters(self) -> int:
        """What a family counts as embeddings."""
        return self.parameters - self.non_embedding


ROWS = tuple(CountedRow(*row) for row in COUNTED)
_measure: Measure | None = None


def measured_by(measure: Measure) -> None:
    """Sets what counts a model that no row holds."""
    global _measure  # noqa: PLW0603
    _measure = measure


def find(model: str, value: int, *, image: int, channels: int, classes: int) -> CountedRow | None:
    """The row of a model whose growth axis has that value, its other cells its own; None where it was not counted."""
    wanted = (value, image, channels, classes)
    found = (row for row in ROWS if row.model == model)
    return next((row for row in found if (row.value, row.image, row.channels, row.classes) == wanted), None)


def listed_at(family: Family, model: str, own: Mapping[str, Any], shape: Shape, size: str) -> int | None:
    """The value of the growth axis at a budget; None where that was not counted."""
    if not _is_own(family, own, shape):
        return None
    wanted = (size, shape.image, shape.channels, shape.classes)
    found = (row for row in ROWS if row.model == model)
    return next((row.value for row in found if (row.size, row.image, row.channels, row.classes) == wanted), None)


def with_counts(family: Family, model: str, own: Mapping[str, Any]) -> Family:
    """The family with the counts of one model, whose `own` cells are those that were counted."""

    def count(name: str) -> Callable[..., int]:
        def counted(shape: Shape, **how: Any) -> int:
            value = getattr(shape, family.growth) if family.growth else 0
            input_: dict[str, Any] = {"image": shape.image, "channels": shape.channels, "classes": shape.classes}
            row = find(model, value, **input_) if _is_own(family, own, shape) else None
            if row:
                return int(getattr(row, name))
            assert _measure, "app/__init__.py sets it"
            return int(getattr(_measure(model), name)(shape, **how))

        return counted

    names = ("parameters", "embedding_parameters", "flops", "tokens", "activation_bytes")
    counts: dict[str, Any] = {name: count(name) for name in names}
    return dataclasses.replace(family, **counts)


def _is_own(family: Family, own: Mapping[str, Any], shape: Shape) -> bool:
    """Whether only the growth axis differs from the model's own cells."""
    return all(getattr(shape, name) == own.get(name) for name in family.cells if name != family.growth)
