"""Models of one constructor, a row each: the options they take, what grows with a budget, and their counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from . import cnn, resnet, resnet1d, t2t, vit, zoo
from .shape import Shape

_MEASURED: Any = None  # in place of a closed form: app.tables.counted has rows, or the model is built and counted


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models of one constructor: the cells it takes, what grows with the budget, and its counts in closed form.

    A family that timm builds has no closed form; `family_of` gives it counts.
    """

    name: str
    cells: tuple[str, ...]  # of Shape, each an option
    growth: str  # the cell that takes the integer nearest to a budget
    parameters: Callable[[Shape], int]
    embedding_parameters: Callable[[Shape], int]
    flops: Callable[[Shape], int]
    tokens: Callable[[Shape], int]
    activation_bytes: Callable[..., int]
    check: Callable[[Shape], None]  # raises InputError for a shape that cannot be built
    step: int = 1  # of the growth axis
    closed: bool = True  # whether its counts are closed forms, for which nothing has to be built
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of cells that no row and no option sets
    kinds: tuple[str, ...] = ("image", "field")  # of data that it takes

    def shape(self, cells: Mapping[str, Any]) -> Shape:
        """The shape of some cells; the family's own value stands for one that is None."""
        found: dict[str, Any] = {name: cells.get(name) for name in Shape.__dataclass_fields__}
        own = {name: self.defaults.get(name) for name, value in found.items() if value is None}
        return Shape(**(found | own))


def _counts(table: ModuleType) -> dict[str, Any]:
    """The closed forms of a family's table, and its check."""
    names = ("parameters", "embedding_parameters", "flops", "tokens", "activation_bytes", "check")
    return {name: getattr(table, name) for name in names}


def _of_timm(
    name: str, cells: tuple[str, ...], growth: str, check: Callable[[Shape], None], *, step: int = 1
) -> Family:
    return Family(
        name=name, cells=cells, growth=growth, step=step, check=check, closed=False, parameters=_MEASURED,
        embedding_parameters=_MEASURED, flops=_MEASURED, tokens=_MEASURED, activation_bytes=_MEASURED,
    )  # fmt: skip


# cells of a ViT that no study changes, and their values where no row and no option does
_OF_VIT = {
    "head_width": None, "qkv_bias": True, "projection_bias": True,
    "norm": "layer", "pooling": "cls", "positions": "learned", "patching": "linear",
}  # fmt: skip
# as the documentation of the 1-D ResNet has it
_OF_RESNET1D = {"norm": "batch", "pooling": "mean", "stem_pool": True, "projection": "first", "discriminator": True}

FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="vit",
            cells=("patch", "attention", "d_model", "depth", "heads", "mlp_ratio", *_OF_VIT),
            defaults=_OF_VIT,
            growth="depth",
            kinds=("image", "field", "signal"),
            **_counts(vit),
        ),
        Family(name="cnn", cells=("depth", "features"), growth="features", **_counts(cnn)),
        Family(
            name="resnet1d",
            cells=("width", "norm", "pooling", "stem_pool", "projection", "discriminator"),
            defaults=_OF_RESNET1D,
            growth="width",
            kinds=("signal",),
            **_counts(resnet1d),
        ),
        Family(name="resnet", cells=("depth", "width"), growth="width", **_counts(resnet)),
        _of_timm("cait", ("patch", "d_model", "depth", "heads", "mlp_ratio"), "depth", zoo.check_cait),
        _of_timm("swin", ("patch", "width"), "width", zoo.check_swin, step=3),  # three heads in the first stage
        _of_timm("convmixer", ("patch", "d_model", "depth"), "d_model", zoo.check_convmixer),
        _of_timm("mlpmixer", ("patch", "d_model", "depth", "mlp_ratio"), "depth", zoo.check_mlpmixer),
        _of_timm("mobilevit", ("width",), "width", zoo.check_mobilevit),
        _of_timm("vgg", ("width",), "width", zoo.check_vgg),
        _of_timm("timm", (), "", zoo.check_named),  # any model by name, of one size
        Family(
            name="t2t",
            cells=("attention", "d_model", "depth", "heads", "mlp_ratio", "qkv_bias", "tokenizer", "value_skip"),
            growth="depth",
            **_counts(t2t),
            defaults={
                "qkv_bias": False, "projection_bias": True, "norm": "layer",
                "tokenizer": "performer", "value_skip": False,
            },
        ),
    )
}  # fmt: skip
