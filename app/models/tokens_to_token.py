"""From an image to tokens by soft splits and mixings of tokens (arXiv:2101.11986, section 3.1)."""

from __future__ import annotations

import math
from functools import partial
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..counts.t2t import Split, Tokenizer
from ..errors import InputError
from .layers import EPS, MLP, through, without_autocast

_LEAST = 1e-8  # added to the performer's sum of weights


def soft_split(images: Tensor, split: Split) -> Tensor:
    """Return overlapping squares of each image as tokens, row by row: (B, C, H, W) -> (B, N, C kernel^2)."""
    return F.unfold(images, split.kernel, stride=split.stride, padding=split.padding).transpose(1, 2)


def positive_features(x: Tensor, directions: Tensor) -> Tensor:
    """Return exp(w_i . x - |x|^2 / 2) / sqrt(m) for m directions w: (B, N, w) -> (B, N, m).

    (arXiv:2009.14794, lemma 1.) With standard normal directions, the products of two such vectors have the mean exp(x .
    y).
    """
    return (x @ directions.T - x.square().sum(-1, keepdim=True) / 2).exp() / math.sqrt(len(directions))


def linear_attention(queries: Tensor, keys: Tensor, values: Tensor, directions: Tensor) -> Tensor:
    """Return softmax(Q K^T) V, with exponentials by random features, in time linear in tokens. All are (B, N, w).

    It is computed in at least float32, because the features span many orders of magnitude.
    """
    wide = torch.promote_types(values.dtype, torch.float32)
    with without_autocast(values.device.type):
        features = directions.to(wide)
        of_queries, of_keys = (positive_features(x.to(wide), features) for x in (queries, keys))  # (B, N, m)
        summed = of_keys.transpose(1, 2) @ values.to(wide)  # (B, m, w)
        weights = of_queries @ of_keys.sum(1).unsqueeze(-1)  # (B, N, 1)
        return (of_queries @ summed / (weights + _LEAST)).to(values.dtype)


class TokenPerformer(nn.Module):
    """v + P(linear attention(q, k, v)) of the normed tokens, then x + MLP(norm(x)); (B, N, entries) -> (B, N, width).

    The directions of the features are frozen: orthogonal rows of length sqrt(m), as in the authors' code. This makes
    the kernel that of shorter queries and keys, since rows of a standard normal have the length sqrt(width).
    """

    directions: Tensor

    def __init__(self, tokenizer: Tokenizer, *, entries: int, dropout: float, norm_eps: float = EPS) -> None:
        super().__init__()
        width, features = tokenizer.width, tokenizer.features
        self.norm_attention = nn.LayerNorm(entries, eps=norm_eps)
        self.qkv = nn.Linear(entries, 3 * width)
        self.projection = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.norm_mlp = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = MLP(d_model=width, hidden=int(width * tokenizer.mlp_ratio), dropout=dropout)
        rows = nn.init.orthogonal_(torch.empty(features, width))
        self.register_buffer("directions", rows * math.sqrt(features))  # (m, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm_attention(x)).chunk(3, -1)  # (B, N, width) each
        x = v + self.dropout(self.projection(linear_attention(q, k, v, self.directions)))
        return x + self.mlp(self.norm_mlp(x))

    def maps(self, x: Tensor) -> NoReturn:
        """Raise InputError, since random features replace the exponentials and no map is computed."""
        del x
        raise InputError(
            "a performer has no attention maps. Only the attention layers of the backbone have them. Use those layers"
        )


class TokenTransformer(nn.Module):
    """v + P(softmax(s q k^T) v) of the normed tokens, then x + MLP(norm(x)); (B, N, entries) -> (B, N, width).

    s is (entries / heads)^-1/2 with the tokenizer's `wide_scale`, else (width / heads)^-1/2. There are many more of
    these tokens than the backbone has, so torch's kernel is used whatever the backbone's path, and no map of them is
    kept.
    """

    def __init__(self, tokenizer: Tokenizer, *, entries: int, dropout: float, norm_eps: float = EPS) -> None:
        super().__init__()
        width, self.heads = tokenizer.width, tokenizer.heads
        self.scale = ((entries if tokenizer.wide_scale else width) / self.heads) ** -0.5
        self.norm_attention = nn.LayerNorm(entries, eps=norm_eps)
        self.qkv = nn.Linear(entries, 3 * width, bias=False)
        self.projection = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.norm_mlp = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = MLP(d_model=width, hidden=int(width * tokenizer.mlp_ratio), dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm_attention(x)).chunk(3, -1)  # (B, N, width) each
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in qkv)  # (B, H, N, d)
        out = F.scaled_dot_product_attention(q, k, v, scale=self.scale).transpose(1, 2).flatten(2)  # (B, N, width)
        x = qkv[2] + self.dropout(self.projection(out))
        return x + self.mlp(self.norm_mlp(x))


MIXERS: dict[str, type[nn.Module]] = {"performer": TokenPerformer, "transformer": TokenTransformer}


class Stage(nn.Module):
    """A soft split and a mixing of its tokens, in the shape of an image: (B, C, H, W) -> (B, width, rows, columns)."""

    def __init__(self, mixer: nn.Module, *, split: Split, grid: tuple[int, int]) -> None:
        super().__init__()
        self.mixer, self.split, self.grid = mixer, split, grid

    def forward(self, images: Tensor) -> Tensor:
        return self.mixer(soft_split(images, self.split)).transpose(1, 2).unflatten(-1, self.grid)


class TokensToToken(nn.Module):
    """Stages, a last soft split and a projection: images (B, C, H, W) -> tokens (B, N, d_model)."""

    def __init__(
        self, tokenizer: Tokenizer, *, image: tuple[int, int], channels: int, d_model: int, dropout: float,
        checkpointing: bool, norm_eps: float = EPS,
    ) -> None:  # fmt: skip
        super().__init__()
        *entries, last = tokenizer.entries(channels)
        stages = zip(entries, tokenizer.splits, tokenizer.grids(image), strict=False)  # the last split has no mixing
        mixer = partial(MIXERS[tokenizer.mixer], tokenizer, dropout=dropout, norm_eps=norm_eps)
        self.stages = nn.ModuleList(
            Stage(mixer(entries=count), split=split, grid=grid) for count, split, grid in stages
        )
        self.split, self.checkpointing = tokenizer.splits[-1], checkpointing
        self.projection = nn.Linear(last, d_model)

    def forward(self, images: Tensor) -> Tensor:
        images = through(self.stages, images, checkpointing=self.checkpointing)  # (B, width, rows, columns)
        return self.projection(soft_split(images, self.split))
