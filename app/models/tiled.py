"""Attention head by head in tiles of plain matrix products: what a core makes of a tile fits into its cache.

By default nothing N x N is kept, and the backward pass makes the maps again, as FlashAttention does (arXiv:2205.14135,
section 3.1); `keep` stores them instead, which is faster where memory allows it. Both maps of differential attention
share one product of the output's gradient with the values (arXiv:2410.05258, equation 1: the values are the same), so a
pair costs what two classic heads cost. Opaque operators, so that a compiler leaves them whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

_BYTES_OF_A_TILE = 5 << 18  # 1.25 MiB a thread: measured, docs/log.md


@torch.library.custom_op("isoscale::tiled", mutates_args=())
def tiled_operator(qkv: Tensor, weight: Tensor | None, heads: int, keep: bool) -> tuple[Tensor, Tensor]:
    """`tiled` and the maps (heads, maps, B, N, N), of which there are none unless they are kept."""
    batch, tokens, width = qkv.shape
    maps, factor = _maps_and_factor(weight)
    out = qkv.new_empty(batch, tokens, width // 3)
    kept = qkv.new_empty(heads, maps, batch, tokens, tokens if keep else 0)
    for images in _groups(batch):
        for head in range(heads):
            part = _of_head(qkv[images], head, heads, maps)
            for rows in _tiles(tokens, qkv.itemsize, whole=keep):
                made = [_map(part, i, rows, kept[head, i, images] if keep else None) for i in range(maps)]
                out[images, rows, part.columns] = _combined(made, factor) @ part.values
    return out, kept


@tiled_operator.register_fake
def _(qkv: Tensor, weight: Tensor | None, heads: int, keep: bool) -> tuple[Tensor, Tensor]:
    batch, tokens, width = qkv.shape
    maps = qkv.new_empty(heads, 1 if weight is None else 2, batch, tokens, tokens if keep else 0)
    return qkv.new_empty(batch, tokens, width // 3), maps


@torch.library.custom_op("isoscale::tiled_backward", mutates_args=())
def tiled_backward(
    gradient: Tensor, qkv: Tensor, kept: Tensor, weight: Tensor | None, heads: int, keep: bool
) -> tuple[Tensor, Tensor]:
    """The gradients of `tiled` for qkv, and for the weight (a scalar, 0 without one); gradient is (B, N, D)."""
    tokens, (maps, factor) = qkv.shape[1], _maps_and_factor(weight)
    of_qkv, of_weight = torch.empty_like(qkv), 0.0
    wide = torch.promote_types(qkv.dtype, torch.float32)  # a sum of so many numbers loses its digits in bf16
    for images in _groups(len(qkv)):
        for head in range(heads):
            part = _of_head(qkv[images], head, heads, maps)
            sums = part.zeros()
            for rows in _tiles(tokens, qkv.itemsize, whole=keep):
                of_out = gradient[images, rows, part.columns]  # (G, R, maps d)
                of_map = of_out @ part.values.mT  # (G, R, N), of both maps but for their weight
                made = [kept[head, i, images] if keep else _map(part, i, rows) for i in range(maps)]
                for i, (map_, share) in enumerate(zip(made, (1.0, -factor), strict=False)):
                    of_scores = torch._softmax_backward_data(of_map, map_, -1, qkv.dtype)  # (G, R, N)
                    sums.queries[i][:, rows].baddbmm_(of_scores, part.keys[i], alpha=share)
                    sums.keys[i].baddbmm_(of_scores.mT, part.queries[i][:, rows], alpha=share)
                if weight is not None:
                    of_weight -= float(of_map.mul_(made[1]).sum(dtype=wide))  # the last that is asked of the product
                sums.values.baddbmm_(_combined(made, factor).mT, of_out)
            _of_head(of_qkv[images], head, heads, maps, scaled=False).copy(sums)
    width = qkv.shape[2] // 3
    of_qkv[..., :width].mul_((width // (heads * maps)) ** -0.5)
    return of_qkv, torch.tensor(of_weight, dtype=wide)


@tiled_backward.register_fake
def _(
    gradient: Tensor, qkv: Tensor, kept: Tensor, weight: Tensor | None, heads: int, keep: bool
) -> tuple[Tensor, Tensor]:
    del gradient, kept, weight, heads, keep
    return torch.empty_like(qkv), torch.empty((), dtype=torch.promote_types(qkv.dtype, torch.float32))


def tiled(qkv: Tensor, weight: Tensor | None, heads: int, *, keep: bool = False) -> Tensor:
    """(softmax(Q1 K1^T / sqrt(d)) - weight softmax(Q2 K2^T / sqrt(d))) V per head; without a weight one map alone.

    qkv (B, N, 3 D) holds queries and keys as (heads, maps, d) and values as (heads, maps d); weight is a scalar tensor;
    returns (B, N, D), heads side by side.
    """
    return tiled_operator(qkv, weight, heads, keep)[0]


def _maps_and_factor(weight: Tensor | None) -> tuple[int, float]:
    return (1, 0.0) if weight is None else (2, float(weight))


class _Head(NamedTuple):
    """One head of some images: a query and a key (G, N, d) for each map, values (G, N, maps d), and their columns."""

    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    values: Tensor
    columns: slice

    def zeros(self) -> _Head:
        """As large, each lying on its own, where sums go faster."""
        queries, keys = (tuple(map(torch.zeros_like, parts)) for parts in (self.queries, self.keys))
        return _Head(queries, keys, torch.zeros_like(self.values), self.columns)

    def copy(self, other: _Head) -> None:
        """Takes the other's numbers."""
        mine, its = (*self.queries, *self.keys, self.values), (*other.queries, *other.keys, other.values)
        for to, of in zip(mine, its, strict=True):
            to.copy_(of)


def _of_head(qkv: Tensor, head: int, heads: int, maps: int, *, scaled: bool = True) -> _Head:
    """One head of (G, N, 3 D); its queries are divided by sqrt(d), or as they lie."""
    width = qkv.shape[2] // 3
    d, wide = width // (heads * maps), width // heads
    at = slice(head * wide, (head + 1) * wide)
    queries, keys, values = (part[..., at] for part in qkv.split(width, -1))
    split = queries.split(d, -1)
    return _Head(tuple(q * d**-0.5 for q in split) if scaled else split, keys.split(d, -1), values, at)


def _groups(batch: int) -> Iterator[slice]:
    """Images of a batch, one for each thread at a time."""
    size = torch.get_num_threads()
    return (slice(start, min(start + size, batch)) for start in range(0, batch, size))


def _tiles(tokens: int, itemsize: int, *, whole: bool) -> Iterator[slice]:
    """Rows of a map, in tiles of about one size."""
    count = 1 if whole else -(-tokens * tokens * itemsize // _BYTES_OF_A_TILE)
    size = -(-tokens // count)
    return (slice(start, min(start + size, tokens)) for start in range(0, tokens, size))


def _map(part: _Head, which: int, rows: slice, out: Tensor | None = None) -> Tensor:
    """Rows of one of a head's maps, (G, R, N)."""
    return torch.softmax(part.queries[which][:, rows] @ part.keys[which].mT, -1, out=out)


def _combined(made: list[Tensor], factor: float) -> Tensor:
    """The first map less `factor` times the second, where there are two."""
    return made[0] if len(made) == 1 else torch.sub(*made, alpha=factor)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor | None, int, bool], output: tuple[Tensor, Tensor]) -> None:
    qkv, weight, ctx.heads, ctx.keep = inputs
    ctx.save_for_backward(qkv, weight, output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, gradient: Tensor, _: None) -> tuple[Tensor, Tensor | None, None, None]:
    qkv, weight, kept = ctx.saved_tensors
    of_qkv, of_weight = tiled_backward(gradient, qkv, kept, weight, ctx.heads, ctx.keep)
    return of_qkv, None if weight is None else of_weight.to(weight), None, None


tiled_operator.register_autograd(_differentiate, setup_context=_keep)
