"""The models, a row each: what each is built from where no option says otherwise, and what grows with its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.tables import t2t, vit
from app.tables.names import look_up
from app.tables.shape import Shape


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
    check: Callable[[Shape], None]  # raises InputError for a shape that cannot be built
    step: int = 1  # of the growth axis
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of cells that no row and no option sets

    def shape(self, cells: Mapping[str, Any]) -> Shape:
        """The shape of some cells; the family's own value stands for one that is None."""
        found: dict[str, Any] = {name: cells.get(name) for name in Shape.__dataclass_fields__}
        own = {name: self.defaults.get(name) for name, value in found.items() if value is None}
        return Shape(**(found | own))


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
    preset: bool = False  # one of several shapes of a model that --size grows
    note: str = ""

    @property
    def attention(self) -> str | None:
        """Its attention where none is asked for."""
        return self.cells.get("attention")


# cells of a ViT that no study changes, and their values where no row and no option does
_OF_VIT = {
    "head_width": None, "qkv_bias": True, "projection_bias": True,
    "norm": "layer", "pooling": "cls", "positions": "learned", "patching": "linear",
}  # fmt: skip
# the CIFAR zoo's ViT (github.com/kentaroy47/vision-transformers-cifar10), which its other rows change
_ZOO = {
    "patch": 4, "attention": "classic", "d_model": 512, "depth": 6, "heads": 8, "mlp_ratio": 1.0, "qkv_bias": False,
}  # fmt: skip
_ZOO_NOTE = (
    "the zoo drops 0.1 of its embeddings and activations (--dropout 0.1) and initialises as torch's layers do, with "
    "cls and positions from a standard normal; ours is initialised as all of ours"
)

FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="vit",
            cells=("patch", "attention", "d_model", "depth", "heads", "mlp_ratio", *_OF_VIT),
            defaults=_OF_VIT,
            growth="depth",
            parameters=vit.parameters,
            embedding_parameters=vit.embedding_parameters,
            flops=vit.flops,
            tokens=vit.tokens,
            activation_bytes=vit.activation_bytes,
            check=vit.check,
        ),
        Family(
            name="t2t",
            cells=("attention", "d_model", "depth", "heads", "mlp_ratio", "qkv_bias", "tokenizer", "value_skip"),
            growth="depth",
            parameters=t2t.parameters,
            embedding_parameters=t2t.embedding_parameters,
            flops=t2t.flops,
            tokens=t2t.tokens,
            activation_bytes=t2t.activation_bytes,
            check=t2t.check,
            defaults={
                "qkv_bias": False, "projection_bias": True, "norm": "layer",
                "tokenizer": "performer", "value_skip": False,
            },
        ),
    )
}  # fmt: skip


def _t2t(
    name: str, title: str, d_model: int, depth: int, heads: int, mlp_ratio: float,
    *, tokenizer: str = "performer", value_skip: bool = False, note: str = "",
) -> ModelRow:  # fmt: skip
    """A T2T-ViT with classic attention and no biases of queries, keys and values."""
    cells = {"d_model": d_model, "depth": depth, "heads": heads, "mlp_ratio": mlp_ratio, "attention": "classic"}
    more = {"qkv_bias": False, "tokenizer": tokenizer, "value_skip": value_skip}
    return ModelRow(name=name, title=title, family="t2t", source="arXiv:2101.11986", cells=cells | more, note=note,
                    preset=name != "t2t_vit")  # fmt: skip


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
        # t2t: the columns are d_model, depth, heads, MLP ratio; 224 px and 1000 classes make the paper's counts
        _t2t("t2t_vit", "T2T-ViT", 256, 7, 4, 2.0),
        _t2t("t2t_vit_7", "T2T-ViT-7", 256, 7, 4, 2.0),
        _t2t("t2t_vit_10", "T2T-ViT-10", 256, 10, 4, 2.0),
        _t2t("t2t_vit_12", "T2T-ViT-12", 256, 12, 4, 2.0),
        _t2t("t2t_vit_14", "T2T-ViT-14", 384, 14, 6, 3.0),
        _t2t("t2t_vit_19", "T2T-ViT-19", 448, 19, 7, 3.0),
        _t2t("t2t_vit_24", "T2T-ViT-24", 512, 24, 8, 3.0),
        _t2t("t2t_vit_t_14", "T2T-ViT_t-14", 384, 14, 6, 3.0, tokenizer="transformer"),
        _t2t("t2t_vit_t_19", "T2T-ViT_t-19", 448, 19, 7, 3.0, tokenizer="transformer"),
        _t2t("t2t_vit_t_24", "T2T-ViT_t-24", 512, 24, 8, 3.0, tokenizer="transformer"),
        _t2t("t2t_lanl", "T2T-ViT of LANL's", 1024, 12, 4, 1.0, tokenizer="transformer_31", value_skip=True,
             note="regresses one number from one channel of 1700 x 500 px, without dropout"),
        # zoo                                               parameters at 32 px, 10 classes (tested)
        ModelRow(  #                                        9,523,722; patch 2: 9,603,594; patch 8: 9,572,874
            name="vit", title="ViT of the CIFAR zoo", family="vit", source="arXiv:2010.11929", cells=_ZOO,
            note=_ZOO_NOTE,
        ),
        ModelRow(  #                                        9,622,512
            name="vit_small", title="ViT for small datasets", family="vit", source="arXiv:2112.13492",
            cells={**_ZOO, "attention": "lsa", "patching": "shifted"}, note=_ZOO_NOTE,
        ),
        ModelRow(  #                                        4,371,438
            name="vit_tiny", title="Tiny ViT for small datasets", family="vit", source="arXiv:2112.13492",
            cells={
                **_ZOO, "attention": "lsa", "patching": "shifted", "depth": 4, "heads": 6, "head_width": 64,
                "mlp_ratio": 0.5,
            },
            note=_ZOO_NOTE,
        ),
        ModelRow(  #                                        9,486,858
            name="simplevit", title="Simple ViT", family="vit", source="arXiv:2205.01580",
            cells={**_ZOO, "projection_bias": False, "pooling": "mean", "positions": "sincos"},
            note="the zoo drops nothing (--dropout 0) and initialises as torch's layers do; ours as all of ours",
        ),
        ModelRow(  #                                        9,523,735
            name="dyt", title="ViT with DynamicTanh", family="vit", source="arXiv:2503.10622",
            cells={**_ZOO, "norm": "dyt"}, note=_ZOO_NOTE,
        ),
    )
}  # fmt: skip
DEFAULT_MODEL = "vit_differential"
ALIASES: dict[str, str] = {}  # other spellings


def family_of(model: str) -> Family:
    """The family of a model by name."""
    return FAMILIES[MODELS[model].family]


def model_row(name: str) -> ModelRow:
    """The row of a model's name or of one of its other spellings; raises InputError with the nearest name."""
    return look_up("model", ALIASES.get(name.lower(), name), MODELS)
