"""Attention: classic (arXiv:1706.03762), differential (arXiv:2410.05258 and its second version), of locality.

Every class has one signature, `(*, d_model, heads, layer, dropout, path, head_width, bias, projection_bias,
value_skip)`, and one law, (B, N, D) -> (B, N, D). `path` is how the same numbers are computed, see `paths.py`;
`head_width` is that of a query, d in the formulas, whatever d_model; `bias` is that of queries, keys and values; with
`value_skip` the values, heads side by side, are added to the output.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import fused
from .tiled import tiled

_EPS = 1e-5  # of the heads' norm


def lambda_init(layer: int) -> float:
    """0.8 - 0.6 exp(-0.3 layer), layer counted from 0 (arXiv:2410.05258, section 2.1, counts from 1)."""
    return 0.8 - 0.6 * math.exp(-0.3 * layer)


def attention_map(queries: Tensor, keys: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)), summed in at least float32: (B, H, N, d) x (B, H, N, d) -> (B, H, N, N)."""
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    return scores.softmax(-1).to(queries.dtype)


def attend(queries: Tensor, keys: Tensor, values: Tensor, path: str) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V: (B, H, N, d), (B, H, N, d), (B, H, N, v) -> (B, H, N, v)."""
    if path == "plain":
        return attention_map(queries, keys) @ values
    return F.scaled_dot_product_attention(queries, keys, values)


class ClassicAttention(nn.Module):
    """Multi-head self-attention: concat_i(softmax(Q_i K_i^T / sqrt(d)) V_i) W_O, d = d_model / heads if not given."""

    def __init__(
        self,
        *,
        d_model: int,
        heads: int,
        layer: int,
        dropout: float,
        path: str,
        head_width: int | None = None,
        bias: bool = True,
        projection_bias: bool = True,
        value_skip: bool = False,
    ) -> None:
        del layer  # every layer alike
        super().__init__()
        self.heads, self.path, self.value_skip = heads, path, value_skip
        inner = heads * (head_width or d_model // heads)
        self.qkv = nn.Linear(d_model, 3 * inner, bias=bias)
        self.projection = nn.Linear(inner, d_model, bias=projection_bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)  # (B, N, 3 H d)
        if self.path in ("tiled", "stored"):
            out = tiled(qkv, None, self.heads, keep=self.path == "stored")
        else:
            q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in qkv.chunk(3, -1))
            out = self.attend(q, k, v).transpose(1, 2).flatten(2)  # (B, H, N, d) -> (B, N, H d)
        out = self.dropout(self.projection(out))
        return out + qkv.chunk(3, -1)[2] if self.value_skip else out

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Every head's output, (B, H, N, d)."""
        return attend(queries, keys, values, self.path)


class LocalityAttention(ClassicAttention):
    """softmax(mask(exp(t) Q K^T)) V per head: no token attends to itself (arXiv:2112.13492, section 4.2, LSA).

    exp(t) starts at d^-0.5; t is learned, one per layer for all its heads. Takes two tokens or more.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        width = self.projection.in_features // self.heads
        self.log_temperature = nn.Parameter(torch.tensor(-0.5 * math.log(width)))

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Every head's output, (B, H, N, d)."""
        queries = queries * self.log_temperature.exp().to(queries.dtype)
        if self.path == "plain":
            return self.attention_map(queries, keys) @ values
        others = ~torch.eye(queries.shape[-2], dtype=torch.bool, device=queries.device)  # (N, N)
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=others, scale=1.0)

    def attention_map(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The heads' maps, with a diagonal of zeros, of queries times the temperature: (B, H, N, N)."""
        scores = queries @ keys.transpose(-2, -1)
        itself = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)  # (N, N)
        return scores.masked_fill(itself, -math.inf).softmax(-1).to(queries.dtype)


class UnitRMS(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) over the last axis (arXiv:1910.07467, without its weight); keeps its output alone.

    The output is what the next layer keeps too, so that the norm costs no memory of its own. `apply` also returns the
    factor of each row, (..., 1): as an output it has a gradient, without which second derivatives would lack a part.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        wide = torch.promote_types(x.dtype, torch.float32)
        scale = (x.to(wide).square().mean(-1, keepdim=True) + eps).rsqrt()
        out = (x * scale).to(x.dtype)
        ctx.save_for_backward(out, scale)
        return out, scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, of_scale: Tensor) -> tuple[Tensor, None]:
        out, scale = ctx.saved_tensors
        along = (gradient * out).mean(-1, keepdim=True, dtype=scale.dtype) + of_scale * scale / out.shape[-1]
        return (scale * (gradient - out * along)).to(gradient.dtype), None


class DifferentialAttention(nn.Module):
    """(softmax(Q1 K1^T / sqrt(d)) - lambda softmax(Q2 K2^T / sqrt(d))) V per head (arXiv:2410.05258, section 2.1).

    d = d_model / (2 heads) if not given; queries and keys interleave their pairs, so head i has (2i, 2i + 1); values
    are 2 d wide.
    lambda = exp(l_q1 . l_k1) - exp(l_q2 . l_k2) + lambda_init(layer), four vectors per layer shared by its heads.
    Each head's output takes an RMSNorm with one learned weight per layer, times 1 - lambda_init.
    """

    lambda_init: Tensor

    def __init__(
        self,
        *,
        d_model: int,
        heads: int,
        layer: int,
        dropout: float,
        path: str,
        head_width: int | None = None,
        bias: bool = True,
        projection_bias: bool = True,
        value_skip: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.path, self.value_skip = heads, path, value_skip
        # a tensor, not a number: a compiled block is then the same program in every layer
        self.register_buffer("lambda_init", torch.tensor(lambda_init(layer)), persistent=False)
        width = head_width or d_model // (2 * heads)
        self.qkv = nn.Linear(d_model, 3 * 2 * heads * width, bias=bias)
        self.lambda_q1, self.lambda_k1, self.lambda_q2, self.lambda_k2 = (
            nn.Parameter(torch.empty(width).normal_(std=0.1)) for _ in range(4)
        )
        self.norm = nn.RMSNorm(2 * width, eps=_EPS)
        self.projection = nn.Linear(2 * heads * width, d_model, bias=projection_bias)
        self.dropout = nn.Dropout(dropout)

    def lambda_full(self) -> Tensor:
        """The layer's lambda, a scalar, in at least float32 whatever the precision of the rest."""
        first = (self.lambda_q1 * self.lambda_k1).sum().exp()
        second = (self.lambda_q2 * self.lambda_k2).sum().exp()
        return first - second + self.lambda_init

    def heads_of(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(B, N, 3 D) -> q1, q2, k1, k2 of (B, H, N, d) and v of (B, H, N, 2 d)."""
        q, k, v = qkv.chunk(3, -1)
        q1, q2 = q.unflatten(-1, (self.heads, 2, -1)).transpose(1, 2).unbind(3)
        k1, k2 = k.unflatten(-1, (self.heads, 2, -1)).transpose(1, 2).unbind(3)
        return q1, q2, k1, k2, v.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def normed(self, qkv: Tensor) -> Tensor:
        """Each head's difference of attentions, normed to a root mean square of 1: (B, N, 3 D) -> (B, N, H, 2 d)."""
        weight = self.lambda_full()
        if self.path == "fused":
            out = fused.normalised_difference(qkv, weight, heads=self.heads, eps=_EPS)
            return out.transpose(1, 2)  # (B, H, N, 2 d) -> (B, N, H, 2 d)
        if self.path in ("tiled", "stored"):
            out = tiled(qkv, weight, self.heads, keep=self.path == "stored")
            return UnitRMS.apply(out.unflatten(-1, (self.heads, -1)), _EPS)[0]
        q1, q2, k1, k2, v = self.heads_of(qkv)
        weight = weight.to(v.dtype)
        if self.path == "plain":
            out = (attention_map(q1, k1) - weight * attention_map(q2, k2)) @ v
        else:
            out = attend(q1, k1, v, self.path) - weight * attend(q2, k2, v, self.path)
        return UnitRMS.apply(out.transpose(1, 2).contiguous(), _EPS)[0]

    def forward(self, x: Tensor) -> Tensor:
        """The norm's weight and 1 - lambda_init stand in the projection's columns: fewer passes over the tokens."""
        scale = (1 - self.lambda_init) * self.norm.weight.repeat(self.heads)  # (H 2 d,)
        qkv = self.qkv(x)  # (B, N, 3 H 2 d)
        normed = self.normed(qkv).flatten(2)  # (B, N, H 2 d)
        out = self.dropout(F.linear(normed, self.projection.weight * scale, self.projection.bias))
        return out + qkv.chunk(3, -1)[2] if self.value_skip else out


class DifferentialAttentionV2(nn.Module):
    """attend(Q1, K, V) - sigmoid(x W_lambda) attend(Q2, K, V): lambda per token and head, no norm, no lambda_init.

    Twice the classic queries over the classic keys and values, so one attention call of ordinary widths.
    Source: the authors' unilm repository, Diff-Transformer-V2 (January 2026).
    """

    def __init__(
        self,
        *,
        d_model: int,
        heads: int,
        layer: int,
        dropout: float,
        path: str,
        head_width: int | None = None,
        bias: bool = True,
        projection_bias: bool = True,
        value_skip: bool = False,
    ) -> None:
        del layer  # every layer alike
        super().__init__()
        self.heads, self.path, self.value_skip = heads, path, value_skip
        inner = heads * (head_width or d_model // heads)
        self.queries = nn.Linear(d_model, 2 * inner, bias=bias)
        self.keys_values = nn.Linear(d_model, 2 * inner, bias=bias)
        self.lambda_projection = nn.Linear(d_model, heads, bias=False)
        self.projection = nn.Linear(inner, d_model, bias=projection_bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q = self.queries(x).unflatten(-1, (2 * self.heads, -1)).transpose(1, 2)  # (B, 2H, N, d), pairs (2i, 2i + 1)
        keys, values = self.keys_values(x).chunk(2, -1)  # (B, N, D) each
        k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2).repeat_interleave(2, 1)  # (B, 2H, N, d)
            for part in (keys, values)
        )
        first, second = attend(q, k, v, self.path).unflatten(1, (self.heads, 2)).unbind(2)  # (B, H, N, d)
        weight = self.lambda_projection(x).sigmoid().transpose(1, 2).unsqueeze(-1)  # (B, H, N, 1)
        out = self.dropout(self.projection((first - weight * second).transpose(1, 2).flatten(2)))
        return out + values if self.value_skip else out


ATTENTION_CLASSES: dict[str, type[nn.Module]] = {
    "classic": ClassicAttention,
    "differential": DifferentialAttention,
    "differential_v2": DifferentialAttentionV2,
    "lsa": LocalityAttention,
}
