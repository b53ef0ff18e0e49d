"""The models, a row each: what each is built from where no option says otherwise, and what grows with its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.tables import vit
from app.tables.shape import Shape
from app.tables.vit import ATTENTIONS


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models of one constructor: the cells it takes, what grows with the budget, and its counts in closed form."""

    name: str
    cells: tuple[str, ...]  # of Shape, each an option
    growth: str  # the cell that takes the integer nearest to a budget
    parameters: Callable[[Shape], int]
    embedding_parameters: Callable[[Shape], int]
    flops: Callable[[Shape], int]
    tokens: Callable[[Shape], int]
    activation_bytes: Callable[..., int]


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model: its family, its cells where no option says otherwise, and where it is from.

    A model with `sized` takes its shape from the size table; any other is named whole, and --size grows it.
    """

    name: str
    title: str
    family: str
    source: str
    cells: Mapping[str, Any] = field(default_factory=dict)
    sized: bool = False
    note: str = ""

    @property
    def attention(self) -> str | None:
        """Its attention where none is asked for."""
        return self.cells.get("attention")


FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="vit",
            cells=("patch", "attention", "d_model", "depth", "heads", "mlp_ratio"),
            growth="depth",
            parameters=vit.parameters,
            embedding_parameters=vit.embedding_parameters,
            flops=vit.flops,
            tokens=vit.tokens,
            activation_bytes=vit.activation_bytes,
        ),
    )
}

MODELS = {
    row.name: row
    for row in (
        ModelRow(
            name="vit_classic", title="Classic ViT", family="vit", source="arXiv:2010.11929", sized=True,
            cells={"attention": "classic"},
        ),
        ModelRow(
            name="vit_differential", title="Differential ViT", family="vit", source="arXiv:2410.05258", sized=True,
            cells={"attention": "differential"},
        ),
    )
}  # fmt: skip
DEFAULT_MODEL = "vit_differential"


def family_of(model: str) -> Family:
    """The family of a model by name."""
    return FAMILIES[MODELS[model].family]
