"""Closed-form counts of the ViT family: parameters, floating-point operations, bytes kept for the backward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InputError
from ..tables.ranges import MOST, around, check_known, check_positive
from ..tables.shape import Extent, Shape, extent, normal, require, spelled

NORMS = ("layer", "dyt")
POOLINGS = ("cls", "mean")
POSITIONS = ("learned", "sincos")
PATCHINGS = ("linear", "shifted")


@dataclass(frozen=True)
class Attention:
    """The differences between kinds of attention: their counts, their paths, and whether a token attends to itself.

    d is the width of a query head, and `inner` = heads * parts * d that of all queries.
    """

    parts: int  # queries of a head
    linear: float  # linear maps from d_model to inner, or as wide together, with the queries', keys' and values' bias
    products: float  # query-key and map-value products per layer, in units of N^2 inner multiply-adds
    outputs: float = 1  # width of all heads' outputs, in units of inner
    signals: int = 1  # outputs of a head, one for each of its maps that another is subtracted from
    gates: int = 0  # values that each head computes from d_model, without a bias
    own: Callable[[int], int] = lambda _: 0  # d -> parameters outside of linear maps
    of_classic: Callable[[int], int] = lambda heads: heads  # heads of the classic model -> heads here
    paths: tuple[str, ...] = ("plain", "sdpa")  # the paths that compute it, of `tables.computing.PATHS`
    masked: bool = False  # whether no token attends to itself, so that at least two are needed

    @property
    def matched(self) -> bool:
        """Whether its linear maps have as many weights as the classic ones, four of inner x d_model."""
        return self.linear + self.outputs == 4

    def head_width(self, d_model: int, heads: int) -> int:
        """Return the width of a query head if none is requested."""
        return d_model // (self.parts * heads)


ATTENTIONS = {
    "classic": Attention(parts=1, linear=3, products=2, paths=("plain", "sdpa", "tiled", "stored")),
    # arXiv:2410.05258: half the heads; four lambda vectors and one norm weight of 2 widths per layer
    "differential": Attention(
        parts=2,
        linear=3,
        products=2,
        own=lambda width: 6 * width,
        of_classic=lambda heads: heads // 2,
        paths=("plain", "sdpa", "tiled", "stored", "fused"),
    ),
    # the authors' second version: twice the queries over the same keys and values, lambda by token and head
    "differential_v2": Attention(parts=1, linear=4, products=4, gates=1),
    # arXiv:2510.06949: three signal maps of a head share one noise map and one set of values of two widths
    "differential_grouped": Attention(
        parts=4,
        linear=2.5,
        products=2.5,
        outputs=1.5,
        signals=3,
        own=lambda width: 6 * width,
        of_classic=lambda heads: -(-heads // 4),
    ),
    # arXiv:2501.17486: the parameters of differential attention, plus the mean of the first map's rows
    "dint": Attention(parts=2, linear=3, products=2, own=lambda width: 6 * width, of_classic=lambda heads: heads // 2),
    # arXiv:2112.13492, section 4.2: a learned temperature
    "lsa": Attention(parts=1, linear=3, products=2, own=lambda _: 1, masked=True),
}


def head_width(shape: Shape) -> int:
    """Return the width of a query head, d."""
    return shape.head_width or ATTENTIONS[shape.attention].head_width(shape.d_model, shape.heads)


def inner(shape: Shape) -> int:
    """Return the width of all heads' queries together: d_model, unless the width of the heads was chosen."""
    return shape.heads * ATTENTIONS[shape.attention].parts * head_width(shape)


def check(shape: Shape) -> None:
    """Raise InputError for a shape that cannot be built."""
    needed = ("attention", "d_model", "depth", "heads", "mlp_ratio", "patch", "qkv_bias", "projection_bias", "norm_eps")
    require(shape, *needed)
    for name, known in (("norm", NORMS), ("pooling", POOLINGS), ("positions", POSITIONS), ("patching", PATCHINGS)):
        check_known(name, getattr(shape, name), known)
    check_positive(d_model=shape.d_model, depth=shape.depth, mlp_ratio=shape.mlp_ratio, most=MOST)
    if hidden(shape) < 1:
        raise InputError(
            f"mlp_ratio={shape.mlp_ratio} leaves the MLP without a hidden layer. Use a larger value, such as 4"
        )
    check_patches(shape.image, shape.patch)
    check_heads(shape)
    check_together(shape)


def check_patches(image: Extent, patch: int) -> None:
    """Raise InputError if a side does not split into patches. The end of a signal is padded with zeros."""
    check_positive(patch=patch, most=MOST)
    axes = extent(normal(image))
    if len(axes) == 1:
        if patch > axes[0]:
            raise InputError(f"patch={patch} is longer than the signal of {axes[0]} samples. Use a smaller patch")
    elif any(axis % patch for axis in axes):
        near = around(patch, n=math.gcd(*axes))
        raise InputError(f"image={spelled(image)} is not a multiple of patch={patch}. {near}")


def check_heads(shape: Shape) -> None:
    """Raise InputError if a width does not split into heads. With a chosen head width, any width does."""
    check_positive(heads=shape.heads, head_width=shape.head_width, most=MOST)
    parts = ATTENTIONS[shape.attention].parts
    if shape.head_width is None and shape.d_model % (parts * shape.heads):
        near = around(shape.heads, n=shape.d_model, of=parts)
        raise InputError(
            f"d_model={shape.d_model} does not divide into heads={shape.heads} of {shape.attention} attention. {near}"
        )


def check_together(shape: Shape) -> None:
    """Raise InputError for choices that cannot be combined."""
    coordinates = len(extent(shape.image))
    if shape.positions == "sincos" and shape.d_model % (2 * coordinates):
        raise InputError(
            f"d_model={shape.d_model} is not a multiple of {2 * coordinates}, which positions=sincos needs for the "
            f"sines and cosines of {'two coordinates' if coordinates == 2 else 'one coordinate'}. Change it, or use "
            "positions=learned"
        )
    if ATTENTIONS[shape.attention].masked and tokens(shape) == 1:
        raise InputError(
            f"attention={shape.attention} lets no token attend to itself, and image={spelled(shape.image)} at "
            f"patch={shape.patch} with pooling={shape.pooling} is a single token. Use a smaller patch"
        )


def grid(image: Extent, patch: int) -> tuple[int, ...]:
    """Return the patches along each axis. The last patch of a signal is padded with zeros."""
    return tuple(-(-axis // patch) for axis in extent(image))


def patches(shape: Shape) -> int:
    """Return the patches of an image or signal."""
    return math.prod(grid(shape.image, shape.patch))


def patch_width(shape: Shape) -> int:
    """Return the numbers of a patch that its projection receives."""
    axes = len(extent(shape.image))
    return shape.patch**axes * shape.channels * (1 + 2 * axes if shape.patching == "shifted" else 1)


def tokens(shape: Shape) -> int:
    """Return the patches, plus the cls token if there is one."""
    return patches(shape) + (shape.pooling == "cls")


def hidden(shape: Shape) -> int:
    """Return the width of the MLP's hidden layer."""
    return int(shape.d_model * shape.mlp_ratio)


def norm_parameters(shape: Shape) -> int:
    """Return the parameters of one norm: weight, bias, and alpha of a DynamicTanh."""
    return 2 * shape.d_model + (shape.norm == "dyt")


def attention_parameters(shape: Shape) -> int:
    """Return the parameters of one layer's attention."""
    d, wide, attention = shape.d_model, inner(shape), ATTENTIONS[shape.attention]
    linear = int(attention.linear * wide) * (d + shape.qkv_bias) + attention.gates * shape.heads * d
    projection = int(attention.outputs * wide) * d + d * shape.projection_bias
    return linear + projection + attention.own(head_width(shape))


def block_parameters(shape: Shape) -> int:
    """Return the parameters of one pre-norm block: two norms, the attention, the MLP."""
    d, wide = shape.d_model, hidden(shape)
    return 2 * norm_parameters(shape) + attention_parameters(shape) + 2 * d * wide + wide + d


def block_flops(shape: Shape, n: int) -> int:
    """Return the floating-point operations of one block over n tokens, 2 per multiply-add.

    Norms and activations are not counted. Differential maps are subtracted before they are multiplied with the values,
    as in the paper's definition.
    """
    d, attention = shape.d_model, ATTENTIONS[shape.attention]
    maps = int((attention.linear + attention.outputs) * inner(shape))  # the width of all linear maps together
    linear = d * (maps + attention.gates * shape.heads + 2 * hidden(shape))
    return 2 * (n * linear + n * n * int(attention.products * inner(shape)))


def block_activation_bytes(shape: Shape, n: int, *, maps_kept: bool) -> int:
    """Return the bytes that one block keeps of n tokens for the backward pass in float32, with maps if they are kept.

    Per token these are two norms' inputs and outputs (a DynamicTanh's tanh too), queries, keys, values, the attention's
    output twice, and the MLP's hidden layer before and after its activation.
    """
    attention = ATTENTIONS[shape.attention]
    maps = 4 * n * shape.heads * attention.signals if maps_kept else 0
    norms = 7 if shape.norm == "dyt" else 5
    heads = int((min(attention.linear, 3) + 2 * attention.outputs) * inner(shape))
    return 4 * n * (norms * shape.d_model + heads + 3 * hidden(shape) + maps)


def block_stream_bytes(shape: Shape, n: int) -> int:
    """Return the bytes that one block keeps of its residual stream in float32: the inputs of its two norms."""
    return 2 * 4 * n * shape.d_model


def parameters(shape: Shape) -> int:
    """Return the trainable parameters of a ViT: patch projection, cls, positions, pre-norm blocks, final norm, head."""
    head = norm_parameters(shape) + (shape.d_model + 1) * shape.classes
    return embedding_parameters(shape) + shape.depth * block_parameters(shape) + head


def embedding_parameters(shape: Shape) -> int:
    """Return the parameters of the patch projection (a shifted patch's norm too), the cls token and the positions."""
    learned = (shape.pooling == "cls") + (tokens(shape) if shape.positions == "learned" else 0)
    norm = 2 * patch_width(shape) if shape.patching == "shifted" else 0
    return norm + (patch_width(shape) + 1 + learned) * shape.d_model


def flops(shape: Shape) -> int:
    """Return the floating-point operations of one image's forward pass, 2 per multiply-add.

    Norms and activations are not counted.
    """
    outside = patches(shape) * patch_width(shape) + shape.classes  # in units of d_model multiply-adds
    return 2 * outside * shape.d_model + shape.depth * block_flops(shape, tokens(shape))


def activation_bytes(shape: Shape, *, maps_kept: bool, checkpointing: bool = False) -> int:
    """Return the bytes that one image's forward pass keeps for the backward pass in float32.

    With checkpointing, each block keeps only its input, and the activations of one block at a time are recomputed.
    """
    n = tokens(shape)
    block = block_activation_bytes(shape, n, maps_kept=maps_kept)
    return block + 4 * shape.depth * n * shape.d_model if checkpointing else shape.depth * block


def stream_bytes(shape: Shape, *, checkpointing: bool = False) -> int:
    """Return the part of `activation_bytes` that is the residual stream: the inputs of norms, or of blocks."""
    n = tokens(shape)
    block = block_stream_bytes(shape, n)
    return block + 4 * shape.depth * n * shape.d_model if checkpointing else shape.depth * block
