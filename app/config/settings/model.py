"""The settings of a model: its name, its size, and the cells of its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...counts.vit import ATTENTIONS
from ...tables import keywords
from ...tables.models import DEFAULT_MODEL
from ...tables.shape import Extent
from .declaring import MOST, derived, setting

PANEL = "Model"
TRANSFORMERS, T2T, WIDTHS = (
    "Model: transformers",
    "Model: T2T-ViT",
    "Model: CNN, ResNet, Swin, MobileViT, VGG and ConvMixer",
)
RESNET1D, TIMM, OWN = "Model: 1-D ResNet", "Model: timm", "Model: your own file"
PANELS = (PANEL, TRANSFORMERS, T2T, WIDTHS, RESNET1D, TIMM, OWN)  # one panel per family that has separate options
MOST_KERNEL = 1023  # patches: more than any image has
MATCHES = {"params": "parameters", "flops": "FLOPs"}


def _cell(help_: str, *, shown: str = "the model's own", panel: str = PANEL, **more: Any) -> Any:
    """Declare a cell of a model's shape. None if the family lacks it, or if the family's default is used."""
    return setting(None, help=help_, shown=shown, panel=panel, cell=True, differs="architecture", **more)


def _count(help_: str, *, shown: str = "the size table's", panel: str = PANEL) -> Any:
    return _cell(help_, shown=shown, panel=panel, above=0, most=MOST)


@dataclass(frozen=True, kw_only=True)
class Model:
    """The model to train. The cells from attention to grow_to are those of the model's shape."""

    model: str = setting(
        panel=PANEL, shown=DEFAULT_MODEL,
        help="Name a model: vit_classic, resnet18 or any other that `run.py models` lists, timm/NAME, or FILE.py:NAME.",
        differs="architecture",
    )  # fmt: skip
    size: str = setting(
        panel=PANEL, shown="the dataset's protocol",
        help="Set the parameter budget, such as 1M, 10M, 25M, 50M or 7.5M.", differs="architecture",
    )  # fmt: skip
    attention: str = _cell("Select the attention of the transformer blocks.", choices=ATTENTIONS, panel=TRANSFORMERS)
    d_model: int = _count("Set the width of a token, in channels.")
    depth: int = _count("Set the number of blocks or layers.")
    heads: int = _count("Set the number of attention heads.", panel=TRANSFORMERS)
    head_width: int = _count(
        "Set the width of one head's queries, in channels.", shown="d_model / heads", panel=TRANSFORMERS
    )
    mlp_ratio: float = setting(
        4.0,
        panel=TRANSFORMERS,
        cell=True,
        above=0,
        most=MOST,
        help="Set the hidden width of the MLP as a multiple of d_model.",
        differs="architecture",
    )
    qkv_bias: bool = _cell("Give queries, keys and values a bias.", panel=TRANSFORMERS)
    projection_bias: bool = _cell("Give the output projection of the attention a bias.", panel=TRANSFORMERS)
    norm: str = _cell("Select the normalisation layer.", choices=("layer", "dyt", "batch"))
    norm_eps: float = _cell("Set epsilon in the denominator of layer norms.", above=0, most=1)
    pooling: str = _cell("Select the feature that the head reads.", choices=("cls", "mean", "max"))
    positions: str = _cell(
        "Select learned or fixed sinusoidal position embeddings.", choices=("learned", "sincos"), panel=TRANSFORMERS
    )
    patching: str = _cell(
        "Embed patches alone, or with four shifted copies.", choices=("linear", "shifted"), panel=TRANSFORMERS
    )
    tokenizer: str = _cell(
        "Select the tokens-to-token module of T2T-ViT.",
        choices=("performer", "transformer", "transformer_31"),
        panel=T2T,
    )
    token_dropout: bool = _cell("Drop activations in the tokens-to-token module of T2T-ViT too.", panel=T2T)
    value_skip: bool = _cell("Add the values to the output of the attention in T2T-ViT.", panel=T2T)
    features: int = _count("Set the channels of the interpretable CNN.", shown="the model's own", panel=WIDTHS)
    width: int = _count(
        "Set the channels of the first stage of a ResNet, Swin, MobileViT or VGG.",
        shown="the model's own",
        panel=WIDTHS,
    )
    kernel: int = _cell(
        "Set the side of the depthwise convolutions of ConvMixer, in patches.", shown="8", panel=WIDTHS, above=0,
        most=MOST_KERNEL,
    )  # fmt: skip
    stem_pool: bool = _cell("Max-pool after the stem of the 1-D ResNet.", panel=RESNET1D)
    projection: str = _cell(
        "Project the shortcut in the first block or in every block of a stage of the 1-D ResNet.",
        choices=("first", "every"),
        panel=RESNET1D,
    )
    stem_dropout: bool = _cell("Drop activations after the stem of the 1-D ResNet too.", panel=RESNET1D)
    discriminator: bool = _cell(
        "Build the second head of the 1-D ResNet, which supervised training never uses.", panel=RESNET1D
    )
    model_args: str | None = setting(
        None, panel=OWN, metavar="NAME=VALUE,...", spelled=keywords.canonical, cell=True,
        help="Set keywords of the constructor of a FILE.py:NAME model.", shown="the file's defaults",
        differs="architecture",
    )  # fmt: skip
    grow: str | None = setting(
        None, panel=OWN, metavar="NAME[:STEP]", spelled=keywords.canonical_axis, cell=True,
        help="Name the keyword of a FILE.py:NAME model that --size or --match sets, in multiples of STEP.",
        differs="architecture",
    )  # fmt: skip
    grow_to: int = derived(None, cell=True, above=0, most=MOST, differs="architecture")
    model_sha256: str | None = derived(None, differs="architecture")  # of the file of a FILE.py:NAME model
    image: Extent = setting(
        panel=PANEL, shown="the dataset's protocol", kinds=("image",), metavar="SIDE",
        otherwise="Select a part with --crop for fields or with --range for signals",
        help="Resize images to this side, or to height x width such as 128x256, in pixels.", differs="voids",
    )  # fmt: skip
    patch: int = _count("Set the side of a patch in pixels, or its length in samples.", shown="the dataset's protocol")


@dataclass(frozen=True, kw_only=True)
class Matching:
    """A size equal to another model's. It is part of a request, and resolved into the model's size."""

    match: str | None = setting(
        None, panel=PANEL, choices=tuple(MATCHES),
        help="Choose the size with the parameters or FLOPs closest to those of the model that --like names.",
        differs="architecture",
    )  # fmt: skip
    like: str | None = setting(
        None,
        panel=PANEL,
        help="Name the model to match, so that --size and --patch set that model's size and patch.",
        differs="architecture",
    )


@dataclass(frozen=True, kw_only=True)
class Revisions:
    """The revisions of the model's row and of the data's rules for a run.

    They are not options, and are omitted at 1.
    """

    model_revision: int = derived(1, above=0, most=MOST, differs="architecture")
    decoding_revision: int = derived(1, above=0, most=MOST, differs="voids")
    layout_revision: int = derived(1, above=0, most=MOST, differs="voids")
