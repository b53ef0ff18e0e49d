"""Differential attention (arXiv:2410.05258): the difference of two softmax maps in each head, normalised by head."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...counts.vit import ATTENTIONS
from . import fused
from .layer import Attention, Maps, attend, attention_map, linear_in, split
from .norm import unit_rms
from .tiled import tiled

_EPS = 1e-5  # of the heads' norm


def lambda_init(layer: int) -> float:
    """Return 0.8 - 0.6 exp(-0.3 layer). The layer counts from 0 (arXiv:2410.05258, section 2.1, counts from 1)."""
    return 0.8 - 0.6 * math.exp(-0.3 * layer)


class DifferentialAttention(Attention):
    """(softmax(Q1 K1^T / sqrt(d)) - lambda softmax(Q2 K2^T / sqrt(d))) V per head (arXiv:2410.05258, section 2.1).

    d = d_model / (2 heads) if not given. Queries and keys interleave their pairs, so head i has (2i, 2i + 1). Values
    are 2 d wide. lambda = exp(l_q1 . l_k1) - exp(l_q2 . l_k2) + lambda_init(layer), with four vectors per layer that
    its heads share. Each head's output is normalised by an RMSNorm with one learned weight per layer, times 1 -
    lambda_init.
    """

    kind = "differential"
    lambda_init: Tensor

    def add_inputs(self, d_model: int, width: int, *, layer: int, bias: bool) -> None:
        """Add the projection to queries, keys and values, the four vectors of lambda and the heads' norm."""
        # a tensor, not a number, so that a compiled block is the same program in every layer
        self.register_buffer("lambda_init", torch.tensor(lambda_init(layer)), persistent=False)
        row = ATTENTIONS[self.kind]
        self.qkv = nn.Linear(d_model, int(row.linear * row.parts * self.heads * width), bias=bias)
        self.lambda_q1, self.lambda_k1, self.lambda_q2, self.lambda_k2 = (
            nn.Parameter(torch.empty(width).normal_(std=0.1)) for _ in range(4)
        )
        self.norm = nn.RMSNorm(2 * width, eps=_EPS)

    def lambda_full(self) -> Tensor:
        """Return the layer's lambda, a scalar, in at least float32 whatever the precision of the rest."""
        first = (self.lambda_q1 * self.lambda_k1).sum().exp()
        second = (self.lambda_q2 * self.lambda_k2).sum().exp()
        return first - second + self.lambda_init

    def heads_of(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return q1, q2, k1, k2 of (B, H, N, d) and v of (B, H, N, 2 d), from (B, N, 3 H 2 d)."""
        q, k, v = qkv.chunk(3, -1)
        q1, q2 = q.unflatten(-1, (self.heads, 2, -1)).transpose(1, 2).unbind(3)
        k1, k2 = k.unflatten(-1, (self.heads, 2, -1)).transpose(1, 2).unbind(3)
        return q1, q2, k1, k2, split(v, self.heads)

    def pair(self, q1: Tensor, q2: Tensor, k1: Tensor, k2: Tensor) -> Maps:
        """Return both maps, and the layer's lambda as a scalar, from queries and keys of (B, H, N, d) each."""
        return Maps(attention_map(q1, k1), attention_map(q2, k2), self.lambda_full().to(q1.dtype))

    def softmaxes(self, x: Tensor) -> Maps:
        """Return both maps, and the layer's lambda as a scalar."""
        q1, q2, k1, k2, _ = self.heads_of(linear_in(self.qkv, x))
        return self.pair(q1, q2, k1, k2)

    def normed(self, qkv: Tensor) -> Tensor:
        """Return each head's difference with a root mean square of 1: (B, N, 3 H 2 d) -> (B, N, H, 2 d)."""
        if self.path == "fused":
            out = fused.normalised_difference(qkv, self.lambda_full(), heads=self.heads, eps=_EPS)
            return out.transpose(1, 2)  # (B, H, N, 2 d) -> (B, N, H, 2 d)
        if self.path in ("tiled", "stored"):
            out = tiled(qkv, self.lambda_full(), self.heads, keep=self.path == "stored")
            return unit_rms(out.unflatten(-1, (self.heads, -1)), _EPS)
        out = self.difference(*self.heads_of(qkv))
        return unit_rms(out.transpose(1, 2).contiguous(), _EPS)

    def difference(self, q1: Tensor, q2: Tensor, k1: Tensor, k2: Tensor, v: Tensor) -> Tensor:
        """Return each head's combined map times its values, as `heads_of` returns them: (B, H, N, 2 d)."""
        if self.path == "plain":
            return self.pair(q1, q2, k1, k2).combined @ v
        return attend(q1, k1, v, self.path) - self.lambda_full().to(v.dtype) * attend(q2, k2, v, self.path)

    def attended(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the heads' normed differences and the values: (B, N, D) -> (B, N, H 2 d) each."""
        qkv = self.qkv(x)  # (B, N, 3 H 2 d)
        return self.normed(qkv).flatten(2), qkv.chunk(3, -1)[2]

    def projected(self, heads: Tensor) -> Tensor:
        """Return the output projection, with the norm's weight and 1 - lambda_init multiplied into its columns.

        This takes fewer passes over the tokens. (B, N, H 2 d) -> (B, N, D).
        """
        outputs = self.projection.in_features // self.norm.weight.shape[0]  # of all heads
        scale = (1 - self.lambda_init) * self.norm.weight.repeat(outputs)  # (H 2 d,)
        return F.linear(heads, self.projection.weight * scale, self.projection.bias)
