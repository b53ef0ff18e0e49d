"""Attention head by head in tiles of plain matrix products, so that a core's data for a tile fits into its cache.

By default no N x N matrix is kept, and the backward pass recomputes the maps, as FlashAttention does (arXiv:2205.14135,
section 3.1). `keep` stores them instead, which is faster if memory allows it. Both maps of differential attention share
one product of the output's gradient with the values (arXiv:2410.05258, equation 1: the values are the same), so a pair
costs as much as two classic heads. The operators are opaque, so that a compiler does not split them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..internals import softmax_backward

_BYTES_OF_A_TILE = 5 << 18  # 1.25 MiB a thread: measured, docs/log.md


@torch.library.custom_op("isoscale::tiled", mutates_args=())
def tiled_operator(qkv: Tensor, weight: Tensor | None, heads: int, keep: bool) -> tuple[Tensor, Tensor]:
    """Return `tiled` and its maps (heads, maps, B, N, N), which are empty unless they are kept."""
    maps, factor = _maps_and_factor(weight)
    at, desk = _Parts.of(qkv, heads, maps), _Desk.of(qkv, maps, whole=keep)
    tokens, out = qkv.shape[1], torch.empty_like(at.values)
    kept = qkv.new_empty(*at.queries.shape[:4], tokens if keep else 0)
    for head, images, rows in desk.tiles(heads):
        made = [_map(at, desk, i, (head, images, rows), kept if keep else None) for i in range(maps)]
        mixed = _combined(made, factor, out=desk.first(images, rows))
        torch.bmm(mixed, at.values[head, images], out=out[head, images, rows])
    return _side_by_side(out), kept


@tiled_operator.register_fake
def _(qkv: Tensor, weight: Tensor | None, heads: int, keep: bool) -> tuple[Tensor, Tensor]:
    batch, tokens, width = qkv.shape
    maps = qkv.new_empty(heads, 1 if weight is None else 2, batch, tokens, tokens if keep else 0)
    return qkv.new_empty(batch, tokens, width // 3), maps


@torch.library.custom_op("isoscale::tiled_backward", mutates_args=())
def tiled_backward(
    gradient: Tensor, qkv: Tensor, kept: Tensor, weight: Tensor | None, heads: int, keep: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of `tiled` for qkv, and for the weight (a scalar, 0 without one).

    gradient is (B, N, D).
    """
    maps, factor = _maps_and_factor(weight)
    at, desk = _Parts.of(qkv, heads, maps), _Desk.of(qkv, maps, whole=keep)
    of_out, sums, of_weight = _apart(gradient, heads), at.like(), 0.0
    wide = torch.promote_types(qkv.dtype, torch.float32)  # a sum of so many numbers is inaccurate in bf16
    for head, images, rows in desk.tiles(heads):
        tile, more = (head, images, rows), int(rows.start > 0)  # what later tiles add to
        of_map = torch.bmm(of_out[tile], at.values[head, images].mT, out=desk.first(images, rows))  # but for its weight
        made = [kept[head, i, images] if keep else _map(at, desk, i, tile, None) for i in range(maps)]
        for i, share in enumerate((1.0, -factor)[:maps]):
            of_scores = desk.second(images, rows)
            softmax_backward(of_map, made[i], out=of_scores)
            alpha, which = share * at.scale, (head, i, images)
            sums.queries[which][:, rows].baddbmm_(of_scores, at.keys[which], alpha=alpha, beta=0)
            sums.keys[which].baddbmm_(of_scores.mT, at.queries[which][:, rows], alpha=alpha, beta=more)
        if weight is not None:
            of_weight -= float(of_map.mul_(made[1]).sum(dtype=wide))  # the last use of the product
        mixed = _combined(made, factor, out=desk.second(images, rows))
        sums.values[head, images].baddbmm_(mixed.mT, of_out[tile], beta=more)
    return sums.joined(), torch.tensor(of_weight, dtype=wide)


@tiled_backward.register_fake
def _(
    gradient: Tensor, qkv: Tensor, kept: Tensor, weight: Tensor | None, heads: int, keep: bool
) -> tuple[Tensor, Tensor]:
    del gradient, kept, weight, heads, keep
    return torch.empty_like(qkv), torch.empty((), dtype=torch.promote_types(qkv.dtype, torch.float32))


def tiled(qkv: Tensor, weight: Tensor | None, heads: int, *, keep: bool = False) -> Tensor:
    """Return (softmax(Q1 K1^T / sqrt(d)) - weight softmax(Q2 K2^T / sqrt(d))) V per head, or one map without a weight.

    qkv (B, N, 3 D) contains queries and keys as (heads, maps, d) and values as (heads, maps d). weight is a scalar
    tensor. Returns (B, N, D), heads side by side.
    """
    return tiled_operator(qkv, weight, heads, keep)[0]


def _maps_and_factor(weight: Tensor | None) -> tuple[int, float]:
    return (1, 0.0) if weight is None else (2, float(weight))


def _apart(tokens: Tensor, heads: int) -> Tensor:
    """Return (B, N, H w) as (H, B, N, w), with each head's rows next to each other, which makes products faster."""
    return tokens.unflatten(-1, (heads, -1)).permute(2, 0, 1, 3).contiguous()


def _side_by_side(heads: Tensor) -> Tensor:
    """Return heads (H, B, N, w) side by side, (B, N, H w)."""
    return heads.permute(1, 2, 0, 3).flatten(2)


class _Parts(NamedTuple):
    """Queries and keys (H, maps, B, N, d) and values (H, B, N, maps d) of all heads."""

    queries: Tensor
    keys: Tensor
    values: Tensor

    @classmethod
    def of(cls, qkv: Tensor, heads: int, maps: int) -> _Parts:
        queries, keys, values = qkv.chunk(3, -1)  # (B, N, D) each
        split = (_apart(part, heads * maps).unflatten(0, (heads, maps)) for part in (queries, keys))
        return cls(next(split), next(split), _apart(values, heads))

    @property
    def scale(self) -> float:
        """1 / sqrt(d)."""
        return self.queries.shape[-1] ** -0.5

    def like(self) -> _Parts:
        """Return empty tensors of the same sizes."""
        return _Parts(*(torch.empty_like(part) for part in self))

    def joined(self) -> Tensor:
        """Return the qkv with these parts, (B, N, 3 D)."""
        queries, keys = (part.flatten(0, 1) for part in (self.queries, self.keys))
        return torch.cat([_side_by_side(part) for part in (queries, keys, self.values)], -1)


@dataclass(frozen=True)
class _Desk:
    """Memory for the products and maps of one tile, which the next tile reuses. New memory is slower (docs/log.md)."""

    batch: int
    tokens: int
    size: int  # rows of a tile
    group: int  # images of a tile, G: one for each thread
    memory: Tensor  # (2 + maps, G R N)

    @classmethod
    def of(cls, qkv: Tensor, maps: int, *, whole: bool) -> _Desk:
        """Return a desk for tiles of a map's rows, all of about one size.

        With `whole` a tile has all rows, and the maps are stored elsewhere.
        """
        batch, tokens, _ = qkv.shape
        count = 1 if whole else -(-tokens * tokens * qkv.itemsize // _BYTES_OF_A_TILE)
        size, group = -(-tokens // count), min(torch.get_num_threads(), batch)
        return cls(batch, tokens, size, group, qkv.new_empty(2 + (0 if whole else maps), group * size * tokens))

    def tiles(self, heads: int) -> Iterator[tuple[int, slice, slice]]:
        """Yield (head, images, rows) of every tile, the rows of a head in order."""
        for first in range(0, self.batch, self.group):
            for head in range(heads):
                for row in range(0, self.tokens, self.size):
                    yield (
                        head,
                        slice(first, min(first + self.group, self.batch)),
                        slice(row, min(row + self.size, self.tokens)),
                    )

    def _sheet(self, which: int, images: slice, rows: slice) -> Tensor:
        """Return (G, R, N) without gaps, for any number of rows.

        softmax's derivative is wrong if it writes into gaps.
        """
        shape = (images.stop - images.start, rows.stop - rows.start, self.tokens)
        return self.memory[which, : math.prod(shape)].view(shape)

    def first(self, images: slice, rows: slice) -> Tensor:
        """Return memory for a product, (G, R, N)."""
        return self._sheet(0, images, rows)

    def second(self, images: slice, rows: slice) -> Tensor:
        """Return memory for another product, (G, R, N)."""
        return self._sheet(1, images, rows)

    def map(self, which: int, images: slice, rows: slice) -> Tensor:
        """Return memory for one of a head's maps, (G, R, N)."""
        return self._sheet(2 + which, images, rows)


def _map(at: _Parts, desk: _Desk, which: int, tile: tuple[int, slice, slice], kept: Tensor | None) -> Tensor:
    """Return rows of one of a head's maps, (G, R, N), written to where they are kept or onto the desk."""
    head, images, rows = tile
    scores, keys = desk.second(images, rows), at.keys[head, which, images].mT
    torch.baddbmm(scores, at.queries[head, which, images, rows], keys, beta=0, alpha=at.scale, out=scores)
    out = desk.map(which, images, rows) if kept is None else kept[head, which, images]
    return torch.softmax(scores, -1, out=out)


def _combined(made: list[Tensor], factor: float, *, out: Tensor) -> Tensor:
    """Return the first map less `factor` times the second, if there are two."""
    return made[0] if len(made) == 1 else torch.sub(*made, alpha=factor, out=out)


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
