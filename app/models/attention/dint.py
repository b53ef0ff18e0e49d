"""DINT attention (arXiv:2501.17486): differential attention plus the mean row of the first map, so that rows sum to 1.

The paper's integral is over the queries. The authors have published no code.
"""

from __future__ import annotations

from torch import Tensor

from .differential import DifferentialAttention
from .layer import Maps, attend


class DintAttention(DifferentialAttention):
    """(A1 - lambda A2 + lambda G) V per head, where each row of G is the mean row of A1 (arXiv:2501.17486, section 2).

    A1, A2, lambda, the heads' norm and 1 - lambda_init are those of differential attention, and so are the parameters.
    A row of the map sums to 1 - lambda + lambda = 1. G V is the mean over the tokens of A1 V.
    """

    kind = "dint"

    def pair(self, q1: Tensor, q2: Tensor, k1: Tensor, k2: Tensor) -> Maps:
        """Return both maps, lambda, and the mean row of the first map, (B, H, 1, N)."""
        maps = super().pair(q1, q2, k1, k2)
        return maps._replace(integral=maps.first.mean(-2, keepdim=True))

    def difference(self, q1: Tensor, q2: Tensor, k1: Tensor, k2: Tensor, v: Tensor) -> Tensor:
        """Return each head's combined map times its values, as `heads_of` returns them: (B, H, N, 2 d)."""
        if self.path == "plain":
            return super().difference(q1, q2, k1, k2, v)
        first, second = attend(q1, k1, v, self.path), attend(q2, k2, v, self.path)
        return first + self.lambda_full().to(v.dtype) * (first.mean(-2, keepdim=True) - second)
