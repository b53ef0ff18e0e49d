"""Closed-form counts of the T2T-ViT family (arXiv:2101.11986), and its tokenizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..errors import InputError
from ..tables.ranges import MOST, check_known, check_positive
from ..tables.shape import Shape, plane, require, spelled
from .vit import (
    ATTENTIONS,
    block_activation_bytes,
    block_flops,
    block_parameters,
    block_stream_bytes,
    check_heads,
    hidden,
)


class Split(NamedTuple):
    """A soft split: overlapping squares of an image, each a token with kernel^2 * channels entries (section 3.1)."""

    kernel: int  # all three in pixels
    stride: int
    padding: int

    def side(self, pixels: int) -> int:
        """Return the tokens along a side of that many pixels, below 1 if not even one fits."""
        return (pixels + 2 * self.padding - self.kernel) // self.stride + 1

    def least(self, tokens: int) -> int:
        """Return the shortest side in pixels, at least 1, that gives that many tokens."""
        return max(1, (tokens - 1) * self.stride + self.kernel - 2 * self.padding)


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """The steps from an image to tokens: a soft split before each mixing of tokens, and one before the projection."""

    mixer: str  # performer | transformer
    splits: tuple[Split, ...]
    width: int = 64  # of a mixed token
    heads: int = 1
    wide_scale: bool = False  # scores are scaled by the unfolded token's width per head, not by a query's
    mlp_ratio: float = 1.0
    features: int = 32  # random features of the performer's kernel

    @property
    def drops(self) -> bool:
        """Whether activations are dropped here, as in the authors' performer, but not in their transformer."""
        return self.mixer == "performer"

    def grids(self, image: tuple[int, int]) -> list[tuple[int, int]]:
        """Return the rows and columns of tokens after each split of an image of (height, width)."""
        grids, (height, width) = [], image
        for split in self.splits:
            height, width = split.side(height), split.side(width)
            grids.append((height, width))
        return grids

    def least(self) -> int:
        """Return the shortest side in pixels that gives one token."""
        side = 1
        for split in reversed(self.splits):
            side = split.least(side)
        return side

    def entries(self, channels: int) -> list[int]:
        """Return the entries of an unfolded token at each split."""
        return [split.kernel**2 * (self.width if i else channels) for i, split in enumerate(self.splits)]


_PAPER = (Split(7, 4, 2), Split(3, 2, 1), Split(3, 2, 1))  # section 3.1 and figure 4: 224 -> 56 -> 28 -> 14
TOKENIZERS = {
    "performer": Tokenizer(mixer="performer", splits=_PAPER),
    # The authors' code scales by the width of the unfolded token: 147^-0.5, then 576^-0.5.
    "transformer": Tokenizer(mixer="transformer", splits=_PAPER, wide_scale=True),
    # LANL's for images of 1700 x 500: stride (kernel + 1) / 2, padding (kernel + 1) / 4 -> 106 x 31, 53 x 16, 27 x 8.
    "transformer_31": Tokenizer(
        mixer="transformer", splits=(Split(31, 16, 8), Split(3, 2, 1), Split(3, 2, 1)), heads=4
    ),
}


def check(shape: Shape) -> None:
    """Raise InputError for a shape that cannot be built."""
    require(shape, "attention", "d_model", "depth", "heads", "mlp_ratio", "qkv_bias", "tokenizer", "value_skip")
    require(shape, "norm_eps", "token_dropout")
    check_known("attention", shape.attention, ATTENTIONS)
    check_known("tokenizer", shape.tokenizer, TOKENIZERS)
    check_positive(d_model=shape.d_model, depth=shape.depth, mlp_ratio=shape.mlp_ratio, most=MOST)
    if hidden(shape) < 1:
        raise InputError(
            f"mlp_ratio={shape.mlp_ratio} leaves the MLP without a hidden layer. Use a larger value, such as 2"
        )
    if shape.value_skip and ATTENTIONS[shape.attention].outputs != 1:
        raise InputError(
            f"value_skip adds the values to the outputs, and the values of attention={shape.attention} are narrower. "
            "Omit --value-skip, or use another --attention"
        )
    check_image(shape)
    check_heads(shape)


def check_image(shape: Shape) -> None:
    """Raise InputError for an image that is too small for one token."""
    height, width = plane(shape.image)
    least = TOKENIZERS[shape.tokenizer].least()
    if min(height, width) < least:
        raise InputError(
            f"image={spelled(shape.image)} is too small for the {shape.tokenizer} tokenizer. Use a side of {least} "
            "px or more"
        )


def grids(shape: Shape) -> list[tuple[int, int]]:
    """Return the rows and columns of tokens after each soft split."""
    return TOKENIZERS[shape.tokenizer].grids(plane(shape.image))


def counts(shape: Shape) -> list[int]:
    """Return the tokens after each soft split."""
    return [rows * columns for rows, columns in grids(shape)]


def tokens(shape: Shape) -> int:
    """Return the tokens of the backbone: those of the last soft split, and the cls token."""
    return counts(shape)[-1] + 1


def mixer_parameters(tokenizer: Tokenizer, entries: int) -> int:
    """Return the parameters of one mixing of tokens: two norms, queries, keys and values, projection, MLP."""
    width, wide = tokenizer.width, int(tokenizer.width * tokenizer.mlp_ratio)
    biases = 3 * width if tokenizer.mixer == "performer" else 0
    return 2 * entries + 3 * entries * width + biases + (width + 1) * width + 2 * width + (2 * width + 1) * wide + width


def tokenizer_parameters(shape: Shape) -> int:
    """Return the parameters of everything before the backbone's tokens."""
    tokenizer = TOKENIZERS[shape.tokenizer]
    *mixed, last = tokenizer.entries(shape.channels)
    return sum(mixer_parameters(tokenizer, entries) for entries in mixed) + (last + 1) * shape.d_model


def embedding_parameters(shape: Shape) -> int:
    """Return the parameters of the tokens-to-token module and the cls token. The positions are frozen."""
    return tokenizer_parameters(shape) + shape.d_model


def parameters(shape: Shape) -> int:
    """Return the trainable parameters: tokens to token, cls, pre-norm blocks, final norm, head."""
    d = shape.d_model
    return embedding_parameters(shape) + shape.depth * block_parameters(shape) + 2 * d + (d + 1) * shape.classes


def frozen(shape: Shape) -> int:
    """Return the number of fixed values: positions, and the directions of the performers' features."""
    tokenizer = TOKENIZERS[shape.tokenizer]
    directions = tokenizer.features * tokenizer.width if tokenizer.mixer == "performer" else 0
    return tokens(shape) * shape.d_model + (len(tokenizer.splits) - 1) * directions


def mixer_flops(tokenizer: Tokenizer, n: int, entries: int) -> int:
    """Return the floating-point operations of one mixing of n tokens, 2 per multiply-add.

    Only the transformer's maps take N^2 operations.
    """
    width, features = tokenizer.width, tokenizer.features
    linear = 3 * entries * width + width * width + 2 * width * int(width * tokenizer.mlp_ratio)
    attention = 2 * n * width if tokenizer.mixer == "transformer" else 4 * features * width + features
    return 2 * n * (linear + attention)


def flops(shape: Shape) -> int:
    """Return the floating-point operations of one image's forward pass, 2 per multiply-add.

    Norms and activations are not counted.
    """
    tokenizer, d, n = TOKENIZERS[shape.tokenizer], shape.d_model, tokens(shape)
    *mixed, last = zip(counts(shape), tokenizer.entries(shape.channels), strict=True)
    before = sum(mixer_flops(tokenizer, count, entries) for count, entries in mixed)
    projection = 2 * last[0] * last[1] * d
    return before + projection + shape.depth * block_flops(shape, n) + 2 * d * shape.classes


def mixer_activation_bytes(tokenizer: Tokenizer, n: int, entries: int) -> int:
    """Return the bytes that one mixing of n tokens keeps for the backward pass in float32.

    Per token these are the first norm's input and output, queries, keys, values, the attention's output, the second
    norm's input and output, the MLP's hidden layer before and after its activation, and twice the performer's features.
    A transformer's maps would take more than all of these, but are never kept: torch's kernel recomputes them.
    """
    per_token = 2 * entries + 6 * tokenizer.width + 2 * int(tokenizer.width * tokenizer.mlp_ratio)
    features = 2 * tokenizer.features + tokenizer.width if tokenizer.mixer == "performer" else 0
    return 4 * n * (per_token + features)


def activation_bytes(shape: Shape, *, maps_kept: bool, checkpointing: bool = False) -> int:
    """Return the bytes that one image's forward pass keeps for the backward pass in float32.

    Maps are those of the backbone. With checkpointing, each block and each mixing of tokens keeps only its input, and
    the activations of one of them at a time are recomputed.
    """
    tokenizer, n, d = TOKENIZERS[shape.tokenizer], tokens(shape), shape.d_model
    *mixed, last = zip(counts(shape), tokenizer.entries(shape.channels), strict=True)
    mixers = [mixer_activation_bytes(tokenizer, count, entries) for count, entries in mixed]
    block = block_activation_bytes(shape, n, maps_kept=maps_kept)
    unfolded = 4 * last[0] * last[1]
    if not checkpointing:
        return sum(mixers) + unfolded + shape.depth * block
    images = 4 * tokenizer.width * sum(count for count, _ in mixed[:-1])
    return max(*mixers, block) + unfolded + images + 4 * shape.depth * n * d


def stream_bytes(shape: Shape, *, checkpointing: bool = False) -> int:
    """Return the part of `activation_bytes` that is the residual stream of blocks: the inputs of norms, or of blocks.

    With checkpointing, the part whose activations are recomputed last may be a mixing of tokens, which has no stream.
    """
    n = tokens(shape)
    kept = 4 * n * shape.d_model if checkpointing else block_stream_bytes(shape, n)
    return shape.depth * kept
