"""The code that every kind of attention shares: one constructor, one forward pass, its maps.

`Attention` maps (B, N, D) -> (B, N, D). A kind adds `add_inputs`, `attended` and `softmaxes`. `path` is one of several
ways to compute the same numbers: see paths.py.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...counts.vit import ATTENTIONS
from ..layers import without_autocast


class Maps(NamedTuple):
    """The attention maps of one layer: `first`, or `first - lambdas * second` if the kind subtracts two maps.

    Row i of a map contains the weights with which token i reads all tokens; each row of `first`, `second` and
    `integral` sums to 1. With `integral` the map is `first - lambdas * (second - integral)`.
    """

    first: Tensor  # (B, H, N, N)
    second: Tensor | None = None  # (B, H, N, N)
    lambdas: Tensor | None = None  # () for one lambda per layer, (B, H, N, 1) for one per token and head
    integral: Tensor | None = None  # (B, H, 1, N), one row for all tokens

    @property
    def combined(self) -> Tensor:
        """The map that multiplies the values: (B, H, N, N)."""
        if self.second is None or self.lambdas is None:
            return self.first
        difference = self.first - self.lambdas * self.second
        return difference if self.integral is None else difference + self.lambdas * self.integral


class Attention(nn.Module):
    """Attention of one kind, (B, N, D) -> (B, N, D): heads read the tokens, and a linear map joins the heads."""

    kind: ClassVar[str]  # its name, and its row in counts.vit.ATTENTIONS

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
        """Make a layer.

        `layer` counts from 0, `head_width` is that of a query, d in the formulas, `bias` that of Q, K and V. With
        `value_skip` the values, heads side by side, are added to the output.
        """
        super().__init__()
        self.heads, self.path, self.value_skip = heads, path, value_skip
        row = ATTENTIONS[self.kind]
        assert not value_skip or row.outputs == 1, f"values of {self.kind} are narrower than its outputs"
        width = head_width or row.head_width(d_model, heads)
        self.add_inputs(d_model, width, layer=layer, bias=bias)
        self.projection = nn.Linear(int(row.outputs * heads * row.parts * width), d_model, bias=projection_bias)
        self.dropout = nn.Dropout(dropout)

    def add_inputs(self, d_model: int, width: int, *, layer: int, bias: bool) -> None:
        """Add the parameters in front of the output projection, in the order of their random draws."""
        raise NotImplementedError

    def attended(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the heads' outputs and the values, heads side by side: (B, N, D) -> (B, N, H v) each."""
        raise NotImplementedError

    def softmaxes(self, x: Tensor) -> Maps:
        """Return the maps of tokens (B, N, D) in the precision of x, as the plain path computes them."""
        raise NotImplementedError

    def projected(self, heads: Tensor) -> Tensor:
        """Return the heads' outputs joined by the output projection: (B, N, H v) -> (B, N, D)."""
        return self.projection(heads)

    def forward(self, x: Tensor) -> Tensor:
        heads, values = self.attended(x)  # (B, N, H v) each
        out = self.dropout(self.projected(heads))
        return out + values if self.value_skip else out

    def maps(self, x: Tensor, *, gradients: bool = False) -> Maps:
        """Return the maps of the layer's input (B, N, D), independent of the layer's path and precision.

        They are computed and returned in float32, or float64 if x is. They can be differentiated only with `gradients`.
        """
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        with without_autocast(x.device.type), torch.set_grad_enabled(gradients):
            return self.softmaxes(wide)


def attention_map(queries: Tensor, keys: Tensor) -> Tensor:
    """Return softmax(Q K^T / sqrt(d)), summed in at least float32: (B, H, N, d) x (B, H, N, d) -> (B, H, N, N)."""
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    return scores.softmax(-1).to(queries.dtype)


def attend(queries: Tensor, keys: Tensor, values: Tensor, path: str) -> Tensor:
    """Return softmax(Q K^T / sqrt(d)) V: (B, H, N, d), (B, H, N, d), (B, H, N, v) -> (B, H, N, v)."""
    if path == "plain":
        return attention_map(queries, keys) @ values
    return F.scaled_dot_product_attention(queries, keys, values)


def split(tokens: Tensor, heads: int) -> Tensor:
    """Return each head's part of every token: (B, N, H w) -> (B, H, N, w)."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


def joined(heads: Tensor) -> Tensor:
    """Return the heads side by side: (B, H, N, w) -> (B, N, H w)."""
    return heads.transpose(1, 2).flatten(2)


def linear_in(linear: nn.Linear, x: Tensor) -> Tensor:
    """Return the linear map of x in the precision of x, whatever that of its weights."""
    bias = None if linear.bias is None else linear.bias.to(x.dtype)
    return F.linear(x, linear.weight.to(x.dtype), bias)
