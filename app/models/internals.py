"""The parts of torch that models use and torch does not publish. Only this file uses private names of a library.

tests/models/test_internals.py fails if one of them moves or changes its meaning.
"""

from __future__ import annotations

import torch
from torch import Tensor


def has_amx() -> bool:
    """Return whether the CPU multiplies matrices of bf16 in hardware, as torch's kernels then do."""
    return torch.cpu._is_amx_tile_supported()


def softmax_backward(gradient: Tensor, map_: Tensor, *, out: Tensor) -> Tensor:
    """Write the gradient of softmax's input over the last axis into `out`, given that of its output `map_`."""
    return torch.ops.aten._softmax_backward_data.out(gradient, map_, -1, map_.dtype, grad_input=out)


def allow_programs(most: int) -> None:
    """Let one compiled module have `most` programs, one for each batch size and mode."""
    torch._dynamo.config.recompile_limit = most


def cut_to_buckets(cut: bool) -> None:
    """Set whether a compiled module under DDP is cut to DDP's buckets of gradients."""
    torch._dynamo.config.optimize_ddp = cut


def keep_programs_of_functions() -> None:
    """Let torch's cache of compiled programs keep those with a `torch.autograd.Function`, such as `norm.UnitRMS`.

    The cache's key contains the traced code of both passes, so another derivative is another program.
    """
    torch._functorch.config.autograd_cache_allow_custom_autograd_functions = True
