"""The models, one per row: the values that are used if no option is given, and what grows with a budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import UnknownRevision
from . import own
from .names import look_up

TIMM = "timm/"  # before the name of any model of timm's


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model: its family, its cells if no option sets them, and its source.

    A model with `sized` has its shape from the size table. Any other has one default shape, and --size grows it.
    """

    name: str
    title: str
    family: str
    source: str
    cells: Mapping[str, Any] = field(default_factory=dict)
    sized: bool = False
    widening: int = 1  # of a sized model: the width of all queries together, in units of d_model
    preset: bool = False  # one of several shapes of a model that --size grows
    note: str = ""
    sha256: str | None = None  # of the file of a user's own model
    revision: int = 1  # of the row's meaning, raised by a default or an initialisation that changes results
    earlier: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  # revision -> cells that it left to None

    def left_at(self, revision: int) -> Mapping[str, Any]:
        """Return the cells that a config of that revision leaves to the row, with their values if they changed since.

        Raises UnknownRevision for a revision that this version does not know.
        """
        if revision != self.revision and revision not in self.earlier:
            known = ", ".join(map(str, sorted({self.revision, *self.earlier})))
            raise UnknownRevision(
                f"model_revision={revision} of {self.name} is unknown. This version knows {known}. Update isoscale"
            )
        return self.earlier.get(revision, {})

    def at(self, revision: int) -> ModelRow:
        """Return the row for resolving a config of that revision. Cells whose meaning has changed since are omitted.

        Raises UnknownRevision for a revision that this version does not know.
        """
        left = self.left_at(revision)
        return replace(self, cells={k: v for k, v in self.cells.items() if k not in left}, revision=revision)

    @property
    def attention(self) -> str | None:
        """Its attention if none is requested."""
        return self.cells.get("attention")


# the CIFAR zoo's ViT (github.com/kentaroy47/vision-transformers-cifar10), which its other rows change
_ZOO_WITHOUT_NORMS = {
    "patch": 4, "attention": "classic", "d_model": 512, "depth": 6, "heads": 8, "mlp_ratio": 1.0, "qkv_bias": False,
}  # fmt: skip
_ZOO = {**_ZOO_WITHOUT_NORMS, "norm_eps": 1e-5}  # torch's default, as the zoo's
_OUR_EPS = {1: {"norm_eps": 1e-6}}  # the zoo's ViTs of revision 1
_ZOO_NOTE = (
    "the zoo drops 0.1 of its embeddings and activations (--dropout 0.1) and initialises as torch's layers do, with "
    "cls and positions from a standard normal; ours is initialised as all of ours"
)

_RESNET1D_BEFORE = {  # revision 1 had the second head, and neither dropped after the stem
    1: {"discriminator": True, "stem_dropout": False}, 2: {"stem_dropout": False},
}  # fmt: skip
_T2T_BEFORE = {1: {"norm_eps": 1e-6, "token_dropout": True}}
_PERFORMER_NOTE = "the authors' token performer always drops 0.1; ours drops what --dropout says, and nothing at 0"
_TRANSFORMER_NOTE = "the tokens-to-token module drops nothing, as the authors'"


def _cnn(name: str, depth: int) -> ModelRow:
    return ModelRow(name=name, title=f"LANL's CNN, {depth} blocks", family="cnn", source="LANL, nested cylinders",
                    cells={"depth": depth, "features": 12}, preset=depth != 3)  # fmt: skip


def _resnet(depth: int) -> ModelRow:
    return ModelRow(name=f"resnet{depth}", title=f"ResNet-{depth}", family="resnet", source="arXiv:1512.03385",
                    cells={"depth": depth, "width": 64}, preset=depth != 18)  # fmt: skip


def _t2t(
    name: str, title: str, d_model: int, depth: int, heads: int, mlp_ratio: float, *, note: str = "", **cells: Any
) -> ModelRow:
    """Return a T2T-ViT with classic attention and no biases of queries, keys and values."""
    shape = {"d_model": d_model, "depth": depth, "heads": heads, "mlp_ratio": mlp_ratio, "attention": "classic"}
    more = {"qkv_bias": False, "tokenizer": "performer", "value_skip": False, "norm_eps": 1e-5} | cells
    drops = more["tokenizer"] == "performer"
    more["token_dropout"] = drops
    return ModelRow(name=name, title=title, family="t2t", source="arXiv:2101.11986", cells=shape | more,
                    note=note or (_PERFORMER_NOTE if drops else _TRANSFORMER_NOTE), preset=name != "t2t_vit",
                    revision=2, earlier=_T2T_BEFORE)  # fmt: skip


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
        # the same parameters but for lambdas and norms, in twice the heads: 4 of 32 at d_model 256, 6 at 384
        ModelRow(
            name="vit_differential_h32", title="Differential ViT, heads of 32", family="vit",
            source="arXiv:2410.05258", sized=True, cells={"attention": "differential", "head_width": 32},
        ),
        # twice that row's heads, 8 at d_model 256 and 12 at 384: an attention of twice the width, an MLP of half
        ModelRow(
            name="vit_differential_wide", title="Differential ViT, wide attention", family="vit",
            source="arXiv:2410.05258", sized=True, widening=2,
            cells={"attention": "differential", "head_width": 32, "mlp_ratio": 2.0},
        ),
        ModelRow(
            name="vit_grouped", title="Grouped differential ViT", family="vit", source="arXiv:2510.06949", sized=True,
            cells={"attention": "differential_grouped"},
        ),
        ModelRow(
            name="vit_dint", title="DINT ViT", family="vit", source="arXiv:2501.17486", sized=True,
            cells={"attention": "dint"},
        ),
        # cnn: 59,345, 70,253 and 92,069 parameters, as LANL's, on (1, 1700, 500) with one output
        _cnn("cnn", 3), _cnn("cnn_6", 6), _cnn("cnn_12", 12),
        # resnet: parameters at 32 px with 10 classes (CIFAR's stem) / at 224 px with 1000 (ImageNet's, torchvision's)
        _resnet(18),   #  11,173,962 / 11,689,512
        _resnet(34),   #  21,282,122 / 21,797,672
        _resnet(50),   #  23,520,842 / 25,557,032
        _resnet(101),  #  42,512,970 / 44,549,160
        # resnet1d: 627,246 parameters with 14 classes, 635,696 with 144 and 641,286 with 230, at any length; with
        # the original's second head, which revision 1 had, 65 more
        ModelRow(
            name="resnet1d", title="1-D ResNet", family="resnet1d", source="for powder diffraction patterns",
            cells={"width": 32, "stem_dropout": True}, revision=3, earlier=_RESNET1D_BEFORE,
            note="--discriminator adds the original's second head of 65 parameters, which supervised training never "
            "uses; runs of revision 1 have it",
        ),
        ModelRow(  # 641,006, 649,456 and 655,046
            name="resnet1d_layer", title="1-D ResNet with layer norm", family="resnet1d", preset=True,
            source="NIST, for powder diffraction patterns",
            cells={"width": 32, "norm": "layer", "pooling": "max", "stem_pool": False, "projection": "every",
                   "stem_dropout": True},
            revision=3, earlier=_RESNET1D_BEFORE,
            note="the published ancestor's choices, which drops before it normalises and not, as here, after",
        ),
        # timm: the CIFAR zoo's shapes; parameters at 32 px (mobilevit 64) with 10 classes, the zoo's where it differs
        ModelRow(
            name="cait", title="CaiT", family="cait", source="arXiv:2103.17239",  # 12,685,162; the zoo's 12,685,322
            cells={"patch": 4, "d_model": 512, "depth": 6, "heads": 8, "mlp_ratio": 1.0},
            note="160 parameters fewer than the zoo's at 32 px, 10 classes: timm's class attention has no talking "
            "heads (-256), its other attentions' have biases (+96); no layer is dropped, as the zoo's are, in eval too",
        ),
        ModelRow(
            name="cait_small", title="CaiT, small MLP", family="cait", source="arXiv:2103.17239",  # 10,585,962
            cells={"patch": 4, "d_model": 512, "depth": 6, "heads": 8, "mlp_ratio": 0.5}, preset=True,
            note="2,097,440 parameters more than the zoo's 8,488,522 at 32 px, 10 classes: timm's heads fill d_model, "
            "so 8 heads of 64 stand for the zoo's 6 (+2,097,152), with their mixing maps (+288, as in cait's note)",
        ),
        ModelRow(
            name="swin", title="Swin-T", family="swin", source="arXiv:2103.14030",  # 27,491,860; the zoo's 26,601,718
            cells={"patch": 2, "width": 96},
            note="890,142 parameters more than the zoo's at 32 px, 10 classes: the last stage merges 2 x 2 patches, as "
            "the paper's, where the zoo's keeps its map (+887,040), biases of positions are per head (+4,254), norms "
            "at patches and merges, whose maps lack biases (+1,920), and the zoo counts frozen masks (-3,072); the "
            "zoo's --patch is the window, here always 4 patches",
        ),
        ModelRow(
            name="convmixer", title="ConvMixer", family="convmixer", source="arXiv:2201.09792",  # 1,339,402, the zoo's
            cells={"patch": 1, "d_model": 256, "depth": 16},
        ),
        ModelRow(
            name="mlpmixer", title="MLP-Mixer", family="mlpmixer", source="arXiv:2105.01601",  # 1,819,530, as the zoo's
            cells={"patch": 4, "d_model": 512, "depth": 6, "mlp_ratio": 0.5},
            note="the tokens' MLP has d_model / 2 inside, as the paper's, where the zoo's has 4 times the tokens: the "
            "same at 32 px",
        ),
        ModelRow(
            name="mobilevit", title="MobileViT-XXS", family="mobilevit", source="arXiv:2110.02178",  # 1,168,442
            cells={"width": 16},
            note="153,770 parameters more than the zoo's 1,014,672 with 10 classes: heads fill the width, where the "
            "zoo's are 4 of 8, and have biases (+153,760), and so has the head (+10)",
        ),
        ModelRow(
            name="vgg", title="VGG-19", family="vgg", source="arXiv:1409.1556",  # 20,040,522, as the zoo's
            cells={"width": 64},
            note="with batch norm and one linear map on the pooled features in place of ImageNet's head",
        ),
        # t2t: 224 px and 1000 classes make the paper's counts (arXiv:2101.11986, table 1)
        #     name            title           d_model depth heads MLP ratio
        _t2t("t2t_vit",      "T2T-ViT",           256,  7, 4, 2.0),
        _t2t("t2t_vit_7",    "T2T-ViT-7",         256,  7, 4, 2.0),
        _t2t("t2t_vit_10",   "T2T-ViT-10",        256, 10, 4, 2.0),
        _t2t("t2t_vit_12",   "T2T-ViT-12",        256, 12, 4, 2.0),
        _t2t("t2t_vit_14",   "T2T-ViT-14",        384, 14, 6, 3.0),
        _t2t("t2t_vit_19",   "T2T-ViT-19",        448, 19, 7, 3.0),
        _t2t("t2t_vit_24",   "T2T-ViT-24",        512, 24, 8, 3.0),
        _t2t("t2t_vit_t_14", "T2T-ViT_t-14",      384, 14, 6, 3.0, tokenizer="transformer"),
        _t2t("t2t_vit_t_19", "T2T-ViT_t-19",      448, 19, 7, 3.0, tokenizer="transformer"),
        _t2t("t2t_vit_t_24", "T2T-ViT_t-24",      512, 24, 8, 3.0, tokenizer="transformer"),
        _t2t("t2t_lanl",     "T2T-ViT of LANL's", 1024, 12, 4, 1.0, tokenizer="transformer_31", value_skip=True,
             note="regresses one number from one channel of 1700 x 500 px, without dropout"),
        # zoo                                               parameters at 32 px, 10 classes (tested)
        ModelRow(  #                                        9,523,722; patch 2: 9,603,594; patch 8: 9,572,874
            name="vit", title="ViT of the CIFAR zoo", family="vit", source="arXiv:2010.11929", cells=_ZOO,
            note=_ZOO_NOTE, revision=2, earlier=_OUR_EPS,
        ),
        ModelRow(  #                                        9,622,512
            name="vit_small", title="ViT for small datasets", family="vit", source="arXiv:2112.13492",
            cells={**_ZOO, "attention": "lsa", "patching": "shifted"}, note=_ZOO_NOTE, revision=2, earlier=_OUR_EPS,
        ),
        ModelRow(  #                                        4,371,438
            name="vit_tiny", title="Tiny ViT for small datasets", family="vit", source="arXiv:2112.13492",
            cells={
                **_ZOO, "attention": "lsa", "patching": "shifted", "depth": 4, "heads": 6, "head_width": 64,
                "mlp_ratio": 0.5,
            },
            note=_ZOO_NOTE, revision=2, earlier=_OUR_EPS,
        ),
        ModelRow(  #                                        9,486,858
            name="simplevit", title="Simple ViT", family="vit", source="arXiv:2205.01580",
            cells={**_ZOO, "projection_bias": False, "pooling": "mean", "positions": "sincos"},
            note="the zoo drops nothing (--dropout 0) and initialises as torch's layers do; ours as all of ours",
            revision=2, earlier=_OUR_EPS,
        ),
        ModelRow(  #                                        9,523,735
            name="dyt", title="ViT with DynamicTanh", family="vit", source="arXiv:2503.10622",
            cells={**_ZOO_WITHOUT_NORMS, "norm": "dyt"}, note=_ZOO_NOTE,  # it has no layer norm
        ),
    )
}  # fmt: skip
DEFAULT_MODEL = "vit_differential"
ALIASES = {  # other spellings
    "vit_timm": "timm/vit_base_patch16_384",  # 86,098,186 at 384 px with 10 classes, as the zoo's
    "res18": "resnet18",
    "res34": "resnet34",
    "res50": "resnet50",
    "res101": "resnet101",
    "vgg19": "vgg",
}


def is_name(text: str) -> bool:
    """Return whether a text is the name of a model, which is also its size if it has no budget."""
    return text in MODELS or text.startswith(TIMM) or own.title(text) is not None


def examples_of(families: Iterable[str]) -> str:
    """Return the first model of each family, as `--model` spells it: `vit_classic, cait or timm/NAME`."""
    first = {row.family: row.name for row in reversed(MODELS.values())} | {
        "timm": f"{TIMM}NAME",
        own.FAMILY: "FILE.py:NAME",
    }
    *others, last = [first[family] for family in families]
    return f"{', '.join(others)} or {last}" if others else last


def model_row(name: str) -> ModelRow:
    """Return the row of a model's name or of one of its other spellings. Raises InputError with the nearest name.

    `timm/NAME` has a row for any NAME. Only timm knows whether it exists (app.counts.builders.check_name).
    `FILE.py:NAME` has the row of that file's content, and `own/NAME-DIGEST` the same without the file.
    """
    asked = ALIASES.get(name.lower(), name)
    if asked.startswith(TIMM):
        return ModelRow(name=asked, title=asked.removeprefix(TIMM), family="timm", source="timm")
    if own.is_file(asked):
        found = own.read(asked)
        return _own_row(found.model, found.sha256)
    if own.title(asked):
        known = own.known(asked)
        return _own_row(asked, known.sha256 if known else None)
    return look_up("model", asked, MODELS)


def _own_row(model: str, sha256: str | None = None) -> ModelRow:
    title = own.title(model) or model
    return ModelRow(name=model, title=title, family=own.FAMILY, source="code of the user", sha256=sha256)
