"""Families: models of one constructor, with their options and the cell that grows with a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import own
from .shape import Shape

_IMAGES, _SIGNALS = ("image", "field"), ("signal",)
# cells of a ViT that no study changes, and their values if no row and no option sets them
_OF_VIT = {
    "head_width": None, "qkv_bias": True, "projection_bias": True,
    "norm": "layer", "pooling": "cls", "positions": "learned", "patching": "linear", "norm_eps": 1e-6,
}  # fmt: skip
_OF_T2T = {
    "qkv_bias": False, "projection_bias": True, "norm": "layer", "tokenizer": "performer", "value_skip": False,
    "norm_eps": 1e-6, "token_dropout": True,
}  # fmt: skip
# as documented for the 1-D ResNet, except for its second head, which labels do not train
_OF_RESNET1D = {
    "norm": "batch", "pooling": "mean", "stem_pool": True, "projection": "first", "stem_dropout": False,
    "discriminator": False,
}  # fmt: skip


@dataclass(frozen=True)
class FamilyRow:
    """One family. Its counts are in `app/counts/`, its constructor in `app/models/`."""

    name: str
    growth: str  # the cell set to the integer nearest to a budget; "" if there is one size
    cells: tuple[str, ...]  # of Shape, each an option
    step: int = 1  # of the growth axis
    kinds: tuple[str, ...] = _IMAGES  # of data that it takes
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of cells that no row and no option sets

    def shape(self, cells: Mapping[str, Any]) -> Shape:
        """Return the shape with some cells. The family's default replaces a cell that is None."""
        found: dict[str, Any] = {name: cells.get(name) for name in Shape.__dataclass_fields__}
        own = {name: self.defaults.get(name) for name, value in found.items() if value is None}
        return Shape(**(found | own))


_VIT = ("patch", "attention", "d_model", "depth", "heads", "mlp_ratio", *_OF_VIT)
_T2T = (
    "attention", "d_model", "depth", "heads", "mlp_ratio", "qkv_bias", "tokenizer", "value_skip", "norm_eps",
    "token_dropout",
)  # fmt: skip
FAMILIES = {
    row.name: row
    for row in (
        # ours       name         growth      cells
        FamilyRow("vit",       "depth",    _VIT, kinds=(*_IMAGES, *_SIGNALS), defaults=_OF_VIT),
        FamilyRow("t2t",       "depth",    _T2T, defaults=_OF_T2T),
        FamilyRow("cnn",       "features", ("depth", "features")),
        FamilyRow("resnet",    "width",    ("depth", "width")),
        FamilyRow("resnet1d",  "width",    ("width", *_OF_RESNET1D), kinds=_SIGNALS, defaults=_OF_RESNET1D),
        # timm's
        FamilyRow("cait",      "depth",    ("patch", "d_model", "depth", "heads", "mlp_ratio")),
        FamilyRow("swin",      "width",    ("patch", "width"), step=3),  # three heads in the first stage
        FamilyRow("convmixer", "d_model",  ("patch", "d_model", "depth", "kernel"), defaults={"kernel": 8}),
        FamilyRow("mlpmixer",  "depth",    ("patch", "d_model", "depth", "mlp_ratio")),
        FamilyRow("mobilevit", "width",    ("width",)),
        FamilyRow("vgg",       "width",    ("width",)),
        FamilyRow("timm",      "",         ()),  # any model by name, of one size
        # the user's files
        FamilyRow(own.FAMILY,  "grow_to",  ("model_args", "grow", "grow_to"), kinds=(*_IMAGES, *_SIGNALS)),
    )
}  # fmt: skip
