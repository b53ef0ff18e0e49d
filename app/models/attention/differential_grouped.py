"""Grouped differential attention (arXiv:2510.06949): three signal maps for each noise map, which they share.

The layout is that of the authors' Motif-2-12.7B, whose `k_ratio` is the number of signal maps here.
"""

from __future__ import annotations

from torch import Tensor

from ...counts.vit import ATTENTIONS
from .differential import DifferentialAttention
from .layer import Maps, attend, linear_in, split


class GroupedDifferentialAttention(DifferentialAttention):
    """(softmax(Qs Ks^T / sqrt(d)) - lambda softmax(Qn Kn^T / sqrt(d))) V for each of a head's three signals s.

    A head is a group: three signal queries and keys, one noise query and key n, and values V of 2 d that its three
    outputs share (arXiv:2510.06949, section 2.2). d = d_model / (4 heads) if not given. lambda, the norm of each output
    and 1 - lambda_init are those of differential attention, which this is with one signal instead of three. The queries
    of a head are adjacent, the noise last, and so are its keys.
    """

    kind = "differential_grouped"

    @property
    def signals(self) -> int:
        """The outputs of a head, S."""
        return ATTENTIONS[self.kind].signals

    def heads_of(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return qs and ks of (B, H, S, N, d), qn and kn of (B, H, 1, N, d), in q, q, k, k, and v of (B, H, 1, N, 2 d).

        The argument is (B, N, H (2 (S + 1) + 2) d).
        """
        q, k, v = self.parts_of(qkv)
        both = (each.unflatten(-1, (self.heads, self.signals + 1, -1)).permute(0, 2, 3, 1, 4) for each in (q, k))
        (q1, q2), (k1, k2) = (each.split([self.signals, 1], 2) for each in both)
        return q1, q2, k1, k2, split(v, self.heads).unsqueeze(2)

    def parts_of(self, qkv: Tensor) -> tuple[Tensor, ...]:
        """Return queries and keys of (B, N, H (S + 1) d) each, and values of (B, N, H 2 d)."""
        width = qkv.shape[-1] // (2 * (self.signals + 2))  # H d
        return qkv.split([(self.signals + 1) * width, (self.signals + 1) * width, 2 * width], -1)

    def softmaxes(self, x: Tensor) -> Maps:
        """Return the signal maps and the noise maps, repeated for each signal, and the layer's lambda as a scalar."""
        q1, q2, k1, k2, _ = self.heads_of(linear_in(self.qkv, x))
        maps = self.pair(q1, q2, k1, k2)
        assert maps.second is not None
        return Maps(maps.first.flatten(1, 2), maps.second.expand_as(maps.first).flatten(1, 2), maps.lambdas)

    def difference(self, q1: Tensor, q2: Tensor, k1: Tensor, k2: Tensor, v: Tensor) -> Tensor:
        """Return each combined map times its head's values: (B, H S, N, 2 d)."""
        if self.path == "plain":
            return super().difference(q1, q2, k1, k2, v).flatten(1, 2)
        values = v.expand(-1, -1, self.signals, -1, -1).flatten(1, 2)  # torch's kernels take (B, H, N, d) only
        first = attend(q1.flatten(1, 2), k1.flatten(1, 2), values, self.path).unflatten(1, (-1, self.signals))
        second = attend(q2.flatten(1, 2), k2.flatten(1, 2), v.flatten(1, 2), self.path).unsqueeze(2)
        return (first - self.lambda_full().to(v.dtype) * second).flatten(1, 2)

    def attended(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normed differences, (B, N, H S 2 d), and the values, (B, N, H 2 d)."""
        qkv = self.qkv(x)
        return self.normed(qkv).flatten(2), self.parts_of(qkv)[2]
