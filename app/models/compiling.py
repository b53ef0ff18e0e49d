"""Compiling a model without changing its results: one program for all blocks, or a complete tiny model as a CUDA graph.

Blocks of one shape are one program, so that compiling takes as long at depth 63 as at depth 5. A transformer of
isoscale has two more, for what comes before the blocks and after them. A program is for one batch size, one in training
and one in evaluation (`Sizes`). Smaller batches are filled up, and larger ones are cut. So a part of a model has two
programs whatever the run's number of rows, and a resumed run computes with the programs that it began with.
`dynamic=True` would also be one program, but its kernels read the batch size at run time, a batch of 1 is another
program, and CUDA graphs need fixed sizes.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..system import packages
from . import drop_path
from .internals import allow_programs, cut_to_buckets, keep_programs_of_functions
from .transformer import Transformer, begun, norms_after, step

_PROGRAMS = 64  # of one block: training and evaluation, and some batch sizes where they are not fixed
_OPERATORS = ("fused.py", "tiled.py")  # whose derivatives compiled programs contain


def missing(device: str) -> str:
    """Return what a machine lacks to compile for a device, in a few words, or an empty text if nothing is known to."""
    if device == "cpu":
        return "" if _cpp_compiler() else "no C++ compiler is on PATH"
    if device == "mps":  # the first lines of its code for MPS in torch 2.15 (codegen/mps.py)
        return "torch calls its compiler for MPS an early prototype, so isoscale does not use it"
    if not packages.is_installed("triton") or not _c_compiler():
        return "compiling for a GPU takes Triton and a C compiler on PATH"
    return ""


def _cpp_compiler() -> str | None:
    """Return the C++ compiler that torch.compile would use for a CPU, or a value if torch may download one."""
    named = shlex.split(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))
    return (shutil.which(named[0]) if named else None) or os.environ.get("TORCHINDUCTOR_INSTALL_GXX")


def _c_compiler() -> str | None:
    """Return the C compiler that Triton uses."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")


class Sizes(NamedTuple):
    """The batch sizes that a model computes, each None if it computes any size."""

    training: int | None = None
    evaluation: int | None = None


def compiled(model: nn.Module, how: str, *, cache: Path, sizes: Sizes | None = None) -> nn.Module:
    """Return the same model, set to compile at its first call or to load compiled programs from the cache.

    It computes batches of these sizes only. `off` leaves it unchanged.
    """
    if how == "off":
        return model
    _prepare(cache)
    # ranks exchange a block's gradients while the block before is computed; cut to buckets, it would be in pieces
    cut_to_buckets(not hasattr(model, "blocks"))
    if how == "graphs":
        model.forward = _in_graphs(model.forward)
    elif isinstance(model, Transformer) and not model.checkpointing:  # which keeps a block's input only
        model.forward = _in_parts(model)  # type: ignore[method-assign, assignment]
    elif blocks := getattr(model, "blocks", None):
        for block in blocks:
            block.compile(dynamic=False)
    else:  # a network with different stages is one program
        model.forward = torch.compile(model.forward, dynamic=False)
    if sizes:
        model.forward = _at_sizes(model, model.forward, sizes)
    return model


def repeated_part(
    model: Transformer, how: str, *, cache: Path
) -> tuple[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], nn.ModuleList]:
    """Return the part of a transformer that is computed for each block, and its modules: a block and the next norm.

    `how` is off or blocks. A run that is compiled finds the part's program. (B, N, D) twice -> (B, N, D) twice.
    """
    modules = model.blocks[0], norms_after(model)[0]
    if how == "off":
        return partial(step, *modules), nn.ModuleList(modules)  # type: ignore[arg-type]
    _prepare(cache)
    return partial(torch.compile(step, dynamic=False), *modules), nn.ModuleList(modules)


def _prepare(cache: Path) -> None:
    """Set what compiling needs in this process: the folder of its cache, and room for programs."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / _of_our_operators()))
    allow_programs(_PROGRAMS)
    keep_programs_of_functions()


def _in_parts(model: Transformer) -> Callable[[Tensor], Tensor]:
    """Return a transformer's forward pass as three programs: what begins it, a block with the next norm, its head."""
    first, middle = torch.compile(begun, dynamic=False), torch.compile(step, dynamic=False)
    last = torch.compile(type(model).classified, dynamic=False)
    blocks: list[Any] = list(zip(model.blocks, norms_after(model), strict=True))

    def forward(images: Tensor) -> Tensor:
        x, normed = first(model, images)
        for block, following in blocks:
            x, normed = middle(block, following, x, normed)
        return last(model, x)

    return forward


def _of_our_operators() -> str:
    """Return 12 hex digits of the code of our operators.

    torch's cache knows an operator by its name, and would keep the derivative that it had in another version.
    """
    code = [(Path(__file__).parent / "attention" / name).read_bytes() for name in _OPERATORS]
    return hashlib.sha256(b"".join(code)).hexdigest()[:12]


def _at_sizes(model: nn.Module, forward: Callable[..., Tensor], sizes: Sizes) -> Callable[..., Tensor]:
    """Return `forward`, which computes a batch in parts of the size of the model's mode, the last one filled up.

    It is filled up with copies of its examples, whose outputs are cut off, so that their gradients are exactly zero.
    """
    dropping = drop_path.paths(model)

    def sized(inputs: Tensor) -> Tensor:
        size = sizes.training if model.training else sizes.evaluation
        if size is None or len(inputs) == size:
            return forward(inputs)
        if model.training:
            assert len(inputs) < size, f"a micro-batch of {len(inputs)} examples is larger than {size}"
            for module in dropping:
                module.factors = None if module.factors is None else _filled_up(module.factors, size)
        # a CUDA graph writes its next outputs over these
        parts = [forward(_filled_up(part, size))[: len(part)].clone() for part in inputs.split(size)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    return sized


def _filled_up(tensor: Tensor, size: int) -> Tensor:
    """Return a tensor repeated from its first row on, in its memory format: (B, ...) -> (size, ...), B <= size."""
    times, more = divmod(size, len(tensor))
    return torch.cat([*[tensor] * times, *([tensor[:more]] if more else [])]) if size > len(tensor) else tensor


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
