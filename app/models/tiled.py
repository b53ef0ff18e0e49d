"""Attention head by head in tiles of plain matrix products: what a tile makes fits into a core's cache.

By default nothing N x N is kept, and the backward pass makes the maps again, as FlashAttention does (arXiv:2205.14135,
section 3.1); `keep` stores them instead, which is faster where memory allows it. Both maps of differential attention
share one product of the output's gradient with the values (arXiv:2410.05258, equation 1: the values are the same), so a
pair costs what two classic heads cost. Opaque operators, so that a compiler leaves them whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_BYTES_OF_A_TILE = 5 << 18  # 1.25 MiB a thread: measured, docs/log.md


@torch.library.custom_op("isoscale::tiled", mutates_args=())
def tiled_operator(qkv: Tensor, weight: Tensor | None, heads: int, keep: bool) -> tuple[Tensor, Tensor]:
    """`tiled` and the maps (B, heads, maps, N, N), of which there are none unless they are kept."""
    batch, tokens, width = qkv.shape
    maps, factor = _maps_and_factor(weight)
    out = qkv.new_empty(batch, tokens, width // 3)
    kept = qkv.new_empty(batch, heads, maps, tokens, tokens if keep else 0)
    for image in range(batch):
        for head in range(heads):
            pairs, values, at = _of_head(qkv[image], head, heads, maps)
            for rows in _tiles(tokens, qkv.itemsize):
                made = [_map(*pair, rows, kept[image, head, i, rows] if keep else None) for i, pair in enumerate(pairs)]
                torch.mm(_combined(made, factor, in_place=not keep), values, out=out[image, rows, at])
    return out, kept


@tiled_operator.register_fake
def _(qkv: Tensor, weight: Tensor | None, heads: int, keep: bool) -> tuple[Tensor, Tensor]:
    batch, tokens, width = qkv.shape
    maps = qkv.new_empty(batch, heads, 1 if weight is None else 2, tokens, tokens if keep else 0)
    return qkv.new_empty(batch, tokens, width // 3), maps


@torch.library.custom_op("isoscale::tiled_backward", mutates_args=())
def tiled_backward(
    gradient: Tensor, qkv: Tensor, kept: Tensor, weight: Tensor | None, heads: int, keep: bool
) -> tuple[Tensor, Tensor]:
    """The gradients of `tiled` for qkv, and for the weight (a scalar, 0 without one); gradient is (B, N, D)."""
    tokens, (maps, factor) = qkv.shape[1], _maps_and_factor(weight)
    of_qkv, of_weight = torch.zeros_like(qkv), 0.0
    for image in range(len(qkv)):
        for head in range(heads):
            pairs, values, at = _of_head(qkv[image], head, heads, maps)
            of_pairs, of_values, _ = _of_head(of_qkv[image], head, heads, maps, scaled=False)
            for rows in _tiles(tokens, qkv.itemsize):
                of_out = gradient[image, rows, at]  # (R, maps d)
                of_map = of_out @ values.T  # (R, N), of both maps but for their weight
                made = [kept[image, head, i, rows] if keep else _map(*pair, rows) for i, pair in enumerate(pairs)]
                for i, ((queries, keys), (of_queries, of_keys)) in enumerate(zip(pairs, of_pairs, strict=True)):
                    of_scores = torch._softmax_backward_data(of_map, made[i], -1, qkv.dtype)  # (R, N)
                    of_queries[rows].addmm_(of_scores, keys, alpha=-factor if i else 1.0)
                    of_keys.addmm_(of_scores.T, queries[rows], alpha=-factor if i else 1.0)
                if weight is not None:
                    of_weight -= float(torch.dot(of_map.flatten(), made[1].flatten()))
                of_values.addmm_(_combined(made, factor, in_place=not keep).T, of_out)
    width = qkv.shape[2] // 3
    of_qkv[..., :width].mul_((width // (heads * maps)) ** -0.5)
    return of_qkv, torch.tensor(of_weight, dtype=torch.promote_types(qkv.dtype, torch.float32))


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


def _of_head(
    qkv: Tensor, head: int, heads: int, maps: int, *, scaled: bool = True
) -> tuple[list[tuple[Tensor, Tensor]], Tensor, slice]:
    """One head of an image, (N, 3 D): its pairs of queries and keys (N, d), its values (N, maps d), their columns."""
    width = qkv.shape[1] // 3
    d, wide = width // (heads * maps), width // heads
    at = slice(head * wide, (head + 1) * wide)
    queries, keys, values = (part[:, at] for part in qkv.split(width, 1))
    pairs = zip(queries.split(d, 1), keys.split(d, 1), strict=True)
    return [(q * d**-0.5 if scaled else q, k) for q, k in pairs], values, at


def _tiles(tokens: int, itemsize: int) -> Iterator[slice]:
    """Rows of a map, in tiles of about one size."""
    count = -(-tokens * tokens * itemsize // (_BYTES_OF_A_TILE * torch.get_num_threads()))
    size = -(-tokens // count)
    return (slice(start, min(start + size, tokens)) for start in range(0, tokens, size))


def _map(queries: Tensor, keys: Tensor, rows: slice, out: Tensor | None = None) -> Tensor:
    """Rows of a map, (R, N)."""
    return torch.softmax(queries[rows] @ keys.T, -1, out=out)


def _combined(made: list[Tensor], factor: float, *, in_place: bool) -> Tensor:
    """The first map less `factor` times the second, where there are two."""
    if len(made) == 1:
        return made[0]
    return made[0].sub_(made[1], alpha=factor) if in_place else torch.sub(*made, alpha=factor)


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
