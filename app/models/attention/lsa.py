"""Locality self-attention (arXiv:2112.13492, section 4.2): a learned temperature, and no token attends to itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .classic import ClassicAttention


class LocalityAttention(ClassicAttention):
    """softmax(mask(exp(t) Q K^T)) V per head, where no token attends to itself (arXiv:2112.13492, section 4.2, LSA).

    exp(t) starts at d^-0.5. t is learned, one per layer for all its heads. At least two tokens are needed.
    """

    kind = "lsa"

    def add_inputs(self, d_model: int, width: int, *, layer: int, bias: bool) -> None:
        """Add the projection to queries, keys and values, and the temperature's logarithm."""
        super().add_inputs(d_model, width, layer=layer, bias=bias)
        self.log_temperature = nn.Parameter(torch.tensor(-0.5 * math.log(width)))

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return every head's output, (B, H, N, d)."""
        if self.path == "plain":
            return self.attention_map(queries, keys) @ values
        others = ~_itself(queries)
        return F.scaled_dot_product_attention(self._tempered(queries), keys, values, attn_mask=others, scale=1.0)

    def attention_map(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return every head's map, with a diagonal of zeros: (B, H, N, d) x (B, H, N, d) -> (B, H, N, N)."""
        scores = self._tempered(queries) @ keys.transpose(-2, -1)
        return scores.masked_fill(_itself(queries), -math.inf).softmax(-1).to(queries.dtype)

    def _tempered(self, queries: Tensor) -> Tensor:
        return queries * self.log_temperature.exp().to(queries.dtype)


def _itself(queries: Tensor) -> Tensor:
    """Return the mask of a map's diagonal, where a token meets itself: (B, H, N, d) -> (N, N)."""
    return torch.eye(queries.shape[-2], dtype=torch.bool, device=queries.device)
