"""The models, a row each, with closed-form counts of their parameters and FLOPs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a count depends on: the cells of a size row plus input and classes."""

    attention: str
    d_model: int
    depth: int
    heads: int
    mlp_ratio: float
    image: int
    patch: int
    channels: int
    classes: int

    @property
    def tokens(self) -> int:
        """Patches plus the cls token."""
        return (self.image // self.patch) ** 2 + 1

    @property
    def hidden(self) -> int:
        """Width of the MLP's hidden layer."""
        return int(self.d_model * self.mlp_ratio)


@dataclass(frozen=True)
class Attention:
    """How an attention counts: head width, parameters per layer, multiply-adds per layer beside N^2 terms."""

    head_width: Callable[[int, int], int]  # (d_model, heads) -> width of one query head
    parameters: Callable[[int, int], int]  # (d_model, heads) -> parameters per layer, biases included
    projections: Callable[[int, int], int]  # (d_model, heads) -> multiply-adds per token in the linear maps
    products: int  # query-key and map-value products per layer, in units of N^2 d_model multiply-adds
    of_classic: Callable[[int], int]  # heads of the classic model -> heads here


ATTENTIONS = {
    # name                      head width                     parameters
    "classic": Attention(
        lambda d, h: d // h, lambda d, _: 4 * d * d + 4 * d, lambda d, _: 4 * d * d, 2, lambda heads: heads
    ),
    # arXiv:2410.05258: half the heads; four lambda vectors and one norm weight of 2 widths per layer
    "differential": Attention(
        lambda d, h: d // (2 * h),
        lambda d, h: 4 * d * d + 4 * d + 6 * (d // (2 * h)),
        lambda d, _: 4 * d * d,
        2,
        lambda heads: heads // 2,
    ),
    # the authors' second version: twice the queries over the same keys and values, lambda by token and head
    "differential_v2": Attention(
        lambda d, h: d // h,
        lambda d, h: 5 * d * d + 5 * d + d * h,
        lambda d, h: 5 * d * d + d * h,
        4,
        lambda heads: heads,
    ),
}


def vit_parameters(shape: Shape) -> int:
    """Trainable parameters of a ViT: patch projection, cls, positions, pre-norm blocks, final norm, head."""
    d = shape.d_model
    block = ATTENTIONS[shape.attention].parameters(d, shape.heads) + 2 * d * shape.hidden + shape.hidden + d + 4 * d
    return vit_embedding_parameters(shape) + shape.depth * block + 2 * d + (d + 1) * shape.classes


def vit_embedding_parameters(shape: Shape) -> int:
    """Parameters of the patch projection, the cls token and the positions."""
    return (shape.patch**2 * shape.channels + 1) * shape.d_model + shape.d_model + shape.tokens * shape.d_model


def vit_flops(shape: Shape) -> int:
    """Floating-point operations of one image's forward pass, 2 per multiply-add; norms and activations not counted.

    Differential maps are subtracted before they meet the values, as in the paper's definition.
    """
    d, n, attention = shape.d_model, shape.tokens, ATTENTIONS[shape.attention]
    per_token = attention.projections(d, shape.heads) + 2 * d * shape.hidden
    block = n * per_token + attention.products * n * n * d
    patches = (n - 1) * shape.patch**2 * shape.channels * d
    return 2 * (patches + shape.depth * block + d * shape.classes)


def vit_activation_bytes(shape: Shape, *, maps_kept: bool, checkpointing: bool = False) -> int:
    """Bytes that one image's forward pass keeps for the backward pass in float32, maps included where they are kept.

    Per token and block: two norms' inputs and outputs, queries, keys, values, the attention's output twice, and the
    MLP's hidden layer before and after its activation. With checkpointing each block keeps its input, and one block
    at a time the rest.
    """
    per_token = 10 * shape.d_model + 3 * shape.hidden
    maps = 4 * shape.tokens * shape.heads if maps_kept else 0
    block = 4 * shape.tokens * (per_token + maps)
    return block + 4 * shape.depth * shape.tokens * shape.d_model if checkpointing else shape.depth * block


@dataclass(frozen=True)
class ModelRow:
    """One model: its family, its attention where none is asked for, its counts and what grows with the budget."""

    name: str
    title: str
    family: str
    attention: str
    growth: str
    parameters: Callable[[Shape], int]
    embedding_parameters: Callable[[Shape], int]
    flops: Callable[[Shape], int]
    activation_bytes: Callable[..., int]
    source: str


_VIT = (vit_parameters, vit_embedding_parameters, vit_flops, vit_activation_bytes)

MODELS = {
    row.name: row
    for row in (
        #        name                title               family  attention       growth   counts  source
        ModelRow("vit_classic", "Classic ViT", "vit", "classic", "depth", *_VIT, "arXiv:2010.11929"),
        ModelRow("vit_differential", "Differential ViT", "vit", "differential", "depth", *_VIT, "arXiv:2410.05258"),
    )
}
DEFAULT_MODEL = "vit_differential"
