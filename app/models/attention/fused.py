"""Differential attention and its norm in one pass: (B, N, 3 D) -> (B, H, N, 2 d), for CUDA devices, by Triton.

x_hat = A rsqrt(mean(A^2) + eps) with A = (softmax(Q1 K1^T / sqrt(d)) - lambda softmax(Q2 K2^T / sqrt(d))) V
(arXiv:2410.05258, section 2.1; the norm without its weight). No N x N matrix is kept. The backward pass needs qkv,
x_hat, the second map's output and three float32 numbers per token and head. The kernels are in kernels.py and
one_pass.py, and their block sizes in blocks.py.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...system import packages
from . import blocks
from .blocks import Blocks

WIDTHS = (16, 32, 64, 128)  # of one map's head; values are twice as wide
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_PREPARE_ROWS = 32


def fits(width: int) -> bool:
    """Return whether the kernels support a map's head width d."""
    return width in WIDTHS


def available(device: torch.device | str) -> bool:
    """Return whether the kernels run on a device.

    They need an NVIDIA GPU of compute capability 8.0 or later, and triton.
    """
    device = torch.device(device)
    if device.type != "cuda" or torch.version.cuda is None or not packages.is_installed("triton"):
        return False
    return torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= (8, 0)


def normalised_difference(qkv: Tensor, weight: Tensor, *, heads: int, eps: float) -> Tensor:
    """Return x_hat, (B, H, N, 2 d) in qkv's dtype. `.transpose(1, 2).flatten(2)` is a view of it.

    It can be differentiated once. qkv is (B, N, 3 D) as `DifferentialAttention.qkv` returns it: queries as (heads, 2,
    d), keys likewise, values as (heads, 2 d), with D = heads 2 d. `weight` is lambda, of 0 dimensions. Raises
    InputError for a width or dtype that has no kernel.
    """
    width, left = divmod(qkv.shape[-1], 6 * heads)
    if left or not fits(width) or qkv.dtype not in DTYPES:
        raise InputError(
            f"fused differential attention has kernels for head widths {WIDTHS} in float32, bfloat16 and float16, "
            f"not for {qkv.dtype} qkv {tuple(qkv.shape)} of {heads} heads. Use the path sdpa"
        )
    out, _, _ = _forward(qkv, weight.to(torch.float32), heads, eps)
    return out.unflatten(-1, (heads, 2 * width)).transpose(1, 2)  # (B, N, D) -> (B, H, N, 2d)


@torch.library.custom_op("isoscale::normalised_difference", mutates_args=())
def _forward(qkv: Tensor, weight: Tensor, heads: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return x_hat and the second map's output, (B, N, D) each, and the statistics, (3, B, H, N)."""
    from . import kernels

    qkv, cuts = _rows_whole(qkv), _cuts(qkv, heads)
    x_hat, second, stats = _forward_outputs(qkv, weight, heads, eps)
    sizes = (*qkv.stride()[:2], stats[0].numel(), qkv.shape[1], heads)
    with torch.cuda.device_of(qkv):
        kernels.forward_kernel[_programs(qkv, heads, cuts[0].queries)](
            qkv, weight, x_hat, second, stats, *sizes, eps, _width(qkv, heads) ** -0.5, **_options(qkv, heads, cuts[0])
        )
    return x_hat, second, stats


@_forward.register_fake
def _forward_outputs(qkv: Tensor, _weight: Tensor, heads: int, _eps: float) -> tuple[Tensor, Tensor, Tensor]:
    batch, tokens, packed = qkv.shape
    x_hat = qkv.new_empty(batch, tokens, packed // 3)
    return x_hat, torch.empty_like(x_hat), qkv.new_empty(3, batch, heads, tokens, dtype=torch.float32)


@torch.library.custom_op("isoscale::normalised_difference_backward", mutates_args=())
def _backward(
    grad: Tensor, qkv: Tensor, weight: Tensor, x_hat: Tensor, second: Tensor, stats: Tensor, heads: int, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the gradients of qkv, (B, N, 3 D), and of weight, ()."""
    from . import kernels, one_pass

    qkv, grad, (_, by_keys, by_queries) = _rows_whole(qkv), grad.contiguous(), _cuts(qkv, heads)
    width, sizes = _width(qkv, heads), (stats[0].numel(), qkv.shape[1], heads)
    at_once = _one_cut(qkv, heads)
    upstream, deltas = torch.empty_like(x_hat), torch.empty_like(stats[:2])
    programs = _programs(qkv, heads, _PREPARE_ROWS)
    partial = stats.new_empty(programs)
    d_qkv = torch.empty_like(qkv, memory_format=torch.contiguous_format)
    with torch.cuda.device_of(qkv):
        kernels.prepare_kernel[programs](
            grad, x_hat, second, stats, weight, upstream, deltas, partial, *sizes, eps, W=width, BLOCK_M=_PREPARE_ROWS
        )
        tensors, numbers = (qkv, upstream, stats, deltas, weight, d_qkv), (*qkv.stride()[:2], *sizes, width**-0.5)
        if at_once is None:
            grids = _programs(qkv, heads, by_keys.keys), _programs(qkv, heads, by_queries.queries)
            kernels.keys_kernel[grids[0]](*tensors, *numbers, **_options(qkv, heads, by_keys))
            kernels.queries_kernel[grids[1]](*tensors, *numbers, **_options(qkv, heads, by_queries))
        else:
            scratch = stats.new_empty(*stats.shape[1:], 2 * width)
            options = _options(qkv, heads, at_once)
            one_pass.backward_kernel[qkv.shape[0] * heads,](*tensors, scratch, *numbers, **options)
    return d_qkv, partial.sum()


@_backward.register_fake
def _backward_outputs(_grad: Tensor, qkv: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(qkv, memory_format=torch.contiguous_format), torch.empty_like(weight)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, int, float], output: tuple[Tensor, Tensor, Tensor]) -> None:
    qkv, weight, ctx.heads, ctx.eps = inputs
    ctx.save_for_backward(qkv, weight, *output)
    ctx.set_materialize_grads(False)  # no zeros for the two outputs that are never differentiated


def _differentiate(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor, Tensor, None, None]:
    qkv, weight, x_hat, second, stats = ctx.saved_tensors
    return *_backward(grad, qkv, weight, x_hat, second, stats, ctx.heads, ctx.eps), None, None


_forward.register_autograd(_differentiate, setup_context=_remember)


def _width(qkv: Tensor, heads: int) -> int:
    return qkv.shape[-1] // (6 * heads)


def _rows_whole(qkv: Tensor) -> Tensor:
    """Return qkv with the numbers of a token next to each other.

    The kernels support any stride of images and tokens.
    """
    return qkv if qkv.stride(-1) == 1 else qkv.contiguous()


def _cuts(qkv: Tensor, heads: int) -> tuple[Blocks, Blocks, Blocks]:
    return blocks.of_two(architecture(qkv.device), qkv.element_size(), _width(qkv, heads))


def _one_cut(qkv: Tensor, heads: int) -> Blocks | None:
    """Return the blocks of the backward pass in one kernel, or None if two kernels are used."""
    machine, programs = multiprocessors(qkv.device), qkv.shape[0] * heads
    shape = architecture(qkv.device), qkv.element_size(), _width(qkv, heads)
    return blocks.of_one(*shape, programs=programs, multiprocessors=machine)


@functools.cache
def architecture(device: torch.device) -> int:
    """Return the architecture of a CUDA device, such as 90 for sm_90, or 0 for Triton's interpreter on a CPU."""
    major, minor = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
    return 10 * major + minor


@functools.cache
def multiprocessors(device: torch.device) -> int:
    """Return the number of multiprocessors of a CUDA device, or 1 for Triton's interpreter on a CPU."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


def _programs(qkv: Tensor, heads: int, rows: int) -> tuple[int]:
    """Return the grid: one program for each block of rows of each head of each image."""
    batch, tokens, _ = qkv.shape
    return (-(-tokens // rows) * heads * batch,)


def _options(qkv: Tensor, heads: int, cut: Blocks) -> dict[str, int]:
    return {
        "W": _width(qkv, heads), "BLOCK_M": cut.queries, "BLOCK_N": cut.keys,
        "num_warps": cut.warps, "num_stages": cut.stages, "enable_fp_fusion": True,
    }  # fmt: skip
