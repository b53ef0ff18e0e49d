"""Compiling a model without changing its results: one program for all blocks, or a complete tiny model as a CUDA graph.

Blocks of one shape are one program, so that compiling takes as long at depth 63 as at depth 5. Every batch size has a
separate program, whichever came first, so a resumed run computes with the programs that it began with.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from .internals import allow_programs, cut_to_buckets

_PROGRAMS = 64  # of one block: training and evaluation, each at some batch sizes


def missing(device: str) -> str:
    """Return what a machine lacks to compile for a device, in a few words, or an empty text if nothing is known to."""
    if device == "cpu":
        return "" if _cpp_compiler() else "no C++ compiler is on PATH"
    if not importlib.util.find_spec("triton") or not _c_compiler():
        return "compiling for a GPU takes Triton and a C compiler on PATH"
    return ""


def _cpp_compiler() -> str | None:
    """Return the C++ compiler that torch.compile would use for a CPU, or a value if torch may download one."""
    named = shlex.split(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))
    return (shutil.which(named[0]) if named else None) or os.environ.get("TORCHINDUCTOR_INSTALL_GXX")


def _c_compiler() -> str | None:
    """Return the C compiler that Triton uses."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")


def compiled(model: nn.Module, how: str, *, cache: Path) -> nn.Module:
    """Return the same model, set to compile at its first call or to load compiled programs from the cache.

    `off` leaves it unchanged.
    """
    if how == "off":
        return model
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))
    allow_programs(_PROGRAMS)
    if how == "graphs":
        model.forward = _in_graphs(model.forward)
        return model
    # ranks exchange a block's gradients while the block before is computed; cut to buckets, it would be in pieces
    cut_to_buckets(not hasattr(model, "blocks"))
    for block in getattr(model, "blocks", [model]):  # a network with different stages is one program
        block.compile(dynamic=False)
    return model


def _in_graphs(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return `forward` as CUDA graphs, in which each call may overwrite the outputs of earlier calls.

    Without the mark, only a backward pass ends a generation of outputs, and a validation pass would record a graph for
    each of its batches.
    """
    recorded = torch.compile(forward, mode="reduce-overhead", dynamic=False)

    def replayed(*inputs: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return recorded(*inputs)

    return replayed
