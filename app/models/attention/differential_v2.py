"""The second version of differential attention: lambda per token and head, no norm (the authors' unilm, January 2026).

Its folder there is Diff-Transformer-V2.
"""

from __future__ import annotations

from torch import Tensor, nn

from .layer import Attention, Maps, attend, attention_map, joined, linear_in, split


class DifferentialAttentionV2(Attention):
    """attend(Q1, K, V) - sigmoid(x W_lambda) attend(Q2, K, V): lambda per token and head, no norm, no lambda_init.

    It has twice the classic queries over the classic keys and values, so that one attention call has ordinary widths.
    """

    kind = "differential_v2"

    def add_inputs(self, d_model: int, width: int, *, layer: int, bias: bool) -> None:
        """Add the projections to queries, to keys and values, and to lambda. All layers are alike."""
        del layer
        inner = self.heads * width
        self.queries = nn.Linear(d_model, 2 * inner, bias=bias)
        self.keys_values = nn.Linear(d_model, 2 * inner, bias=bias)
        self.lambda_projection = nn.Linear(d_model, self.heads, bias=False)

    def attended(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the heads' differences and the values: (B, N, D) -> (B, N, H d) each."""
        q = split(self.queries(x), 2 * self.heads)  # (B, 2H, N, d), pairs (2i, 2i + 1)
        keys, values = self.keys_values(x).chunk(2, -1)  # (B, N, H d) each
        k, v = self.doubled(keys), self.doubled(values)
        first, second = self.pairs(attend(q, k, v, self.path))  # (B, H, N, d) each
        return joined(first - _lambdas(self.lambda_projection(x)) * second), values

    def softmaxes(self, x: Tensor) -> Maps:
        """Return both maps, and lambda by token and head: (B, H, N, 1), between 0 and 1."""
        queries = split(linear_in(self.queries, x), 2 * self.heads)
        keys, _ = linear_in(self.keys_values, x).chunk(2, -1)
        first, second = self.pairs(attention_map(queries, self.doubled(keys)))
        return Maps(first, second, _lambdas(linear_in(self.lambda_projection, x)))

    def doubled(self, tokens: Tensor) -> Tensor:
        """Return each head's part of every token, twice: (B, N, H d) -> (B, 2H, N, d)."""
        return split(tokens, self.heads).repeat_interleave(2, 1)

    def pairs(self, heads: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first and the second of each pair: (B, 2H, N, w) -> (B, H, N, w) each."""
        first, second = heads.unflatten(1, (self.heads, 2)).unbind(2)
        return first, second


def _lambdas(gates: Tensor) -> Tensor:
    """Return each head's lambda of every token: (B, N, H) -> (B, H, N, 1)."""
    return gates.sigmoid().transpose(1, 2).unsqueeze(-1)
