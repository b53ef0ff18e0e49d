"""Classic attention (arXiv:1706.03762, section 3.2): softmax(Q K^T / sqrt(d)) V in each of several heads."""

from __future__ import annotations

from torch import Tensor, nn

from .layer import Attention, Maps, attend, attention_map, joined, linear_in, split
from .tiled import tiled


class ClassicAttention(Attention):
    """Multi-head self-attention: concat_i(softmax(Q_i K_i^T / sqrt(d)) V_i) W_O, d = d_model / heads if not given."""

    kind = "classic"

    def add_inputs(self, d_model: int, width: int, *, layer: int, bias: bool) -> None:
        """Add the projection to queries, keys and values. All layers are alike."""
        del layer
        self.qkv = nn.Linear(d_model, 3 * self.heads * width, bias=bias)

    def attended(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the heads' outputs and the values: (B, N, D) -> (B, N, H d) each."""
        qkv = self.qkv(x)  # (B, N, 3 H d)
        queries, keys, values = qkv.chunk(3, -1)
        if self.path in ("tiled", "stored"):
            return tiled(qkv, None, self.heads, keep=self.path == "stored"), values
        q, k, v = (split(part, self.heads) for part in (queries, keys, values))
        return joined(self.attend(q, k, v)), values

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return every head's output, (B, H, N, d)."""
        return attend(queries, keys, values, self.path)

    def attention_map(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return every head's map: (B, H, N, d) x (B, H, N, d) -> (B, H, N, N)."""
        return attention_map(queries, keys)

    def softmaxes(self, x: Tensor) -> Maps:
        """Return the heads' maps as `first`."""
        queries, keys, _ = linear_in(self.qkv, x).chunk(3, -1)
        return Maps(self.attention_map(split(queries, self.heads), split(keys, self.heads)))
