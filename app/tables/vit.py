"""Closed-form counts of the ViT family: parameters, floating-point operations, bytes kept for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.errors import InputError
from app.tables.ranges import MOST, around, check_positive
from app.tables.shape import Shape, require


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


def check(shape: Shape) -> None:
    """Raises InputError for a shape that cannot be built."""
    require(shape, "attention", "d_model", "depth", "heads", "mlp_ratio", "patch")
    check_positive(d_model=shape.d_model, depth=shape.depth, mlp_ratio=shape.mlp_ratio, most=MOST)
    if hidden(shape) < 1:
        raise InputError(f"mlp_ratio={shape.mlp_ratio} leaves the MLP no hidden layer; 4 is usual")
    check_patches(shape.image, shape.patch)
    check_heads(shape)


def check_patches(image: int, patch: int) -> None:
    """Raises InputError where a side does not split into patches."""
    check_positive(image=image, patch=patch, most=MOST)
    if image % patch:
        raise InputError(f"image={image} is not a multiple of patch={patch}; {around(patch, n=image)}")


def check_heads(shape: Shape) -> None:
    """Raises InputError where a width does not split into heads."""
    check_positive(heads=shape.heads, most=MOST)
    parts = 2 if shape.attention == "differential" else 1  # of a head's width
    if shape.d_model % (parts * shape.heads):
        near = around(shape.heads, n=shape.d_model, of=parts)
        raise InputError(
            f"d_model={shape.d_model} does not divide into heads={shape.heads} of {shape.attention} attention; {near}"
        )


def tokens(shape: Shape) -> int:
    """Patches, and the cls token where there is one."""
    return (shape.image // shape.patch) ** 2 + (shape.pooling != "mean")


def hidden(shape: Shape) -> int:
    """Width of the MLP's hidden layer."""
    return int(shape.d_model * shape.mlp_ratio)


def block_parameters(shape: Shape) -> int:
    """Parameters of one pre-norm block: two norms, the attention, the MLP."""
    d, wide = shape.d_model, hidden(shape)
    return ATTENTIONS[shape.attention].parameters(d, shape.heads) + 2 * d * wide + wide + d + 4 * d


def block_flops(shape: Shape, n: int) -> int:
    """Floating-point operations of one block over n tokens, 2 per multiply-add; norms and activations not counted.

    Differential maps are subtracted before they meet the values, as in the paper's definition.
    """
    d, attention = shape.d_model, ATTENTIONS[shape.attention]
    return 2 * (n * (attention.projections(d, shape.heads) + 2 * d * hidden(shape)) + attention.products * n * n * d)


def block_activation_bytes(shape: Shape, n: int, *, maps_kept: bool) -> int:
    """Bytes that one block keeps of n tokens for the backward pass in float32, maps included where they are kept.

    Per token: two norms' inputs and outputs, queries, keys, values, the attention's output twice, and the MLP's hidden
    layer before and after its activation.
    """
    maps = 4 * n * shape.heads if maps_kept else 0
    return 4 * n * (10 * shape.d_model + 3 * hidden(shape) + maps)


def parameters(shape: Shape) -> int:
    """Trainable parameters of a ViT: patch projection, cls, positions, pre-norm blocks, final norm, head."""
    d = shape.d_model
    return embedding_parameters(shape) + shape.depth * block_parameters(shape) + 2 * d + (d + 1) * shape.classes


def embedding_parameters(shape: Shape) -> int:
    """Parameters of the patch projection, the cls token and the positions."""
    return (shape.patch**2 * shape.channels + 1) * shape.d_model + shape.d_model + tokens(shape) * shape.d_model


def flops(shape: Shape) -> int:
    """Floating-point operations of one image's forward pass, 2 per multiply-add; norms and activations not counted."""
    n, d = tokens(shape), shape.d_model
    patches = 2 * (n - 1) * shape.patch**2 * shape.channels * d
    return patches + shape.depth * block_flops(shape, n) + 2 * d * shape.classes


def activation_bytes(shape: Shape, *, maps_kept: bool, checkpointing: bool = False) -> int:
    """Bytes that one image's forward pass keeps for the backward pass in float32.

    With checkpointing each block keeps its input, and one block at a time the rest.
    """
    n = tokens(shape)
    block = block_activation_bytes(shape, n, maps_kept=maps_kept)
    return block + 4 * shape.depth * n * shape.d_model if checkpointing else shape.depth * block
