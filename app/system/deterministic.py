"""Deterministic kernels of CUDA devices: equal inputs give equal bits. A CPU adds in one order without them.

It follows torch's notes on reproducibility (docs/source/notes/randomness.rst). Compiled programs obey the same switch:
torch then measures nothing that would change the order of a sum.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import InputError

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_REPEATING = (":4096:8", ":16:8")  # values with which cuBLAS repeats its sums, from its documentation
_FILLING: Any = torch.utils.deterministic  # its switch is an attribute that its class adds
_UNAVAILABLE = " does not have a deterministic implementation"  # in torch's errors, after the operator's name


def reserve_workspace() -> None:
    """Give cuBLAS a workspace of 32 MiB with which products repeat their bits, unless the user chose another one.

    It is read once in a process, so this comes before the first use of a CUDA device.
    """
    os.environ.setdefault(_WORKSPACE, _REPEATING[0])


def unavailable(device: torch.device) -> str:
    """Return why equal inputs may give other bits on a device, as a sentence, or an empty text if they may not."""
    if device.type == "cpu":
        return ""
    if device.type != "cuda":
        return f"torch does not promise equal bits on {device}"
    chosen = os.environ.get(_WORKSPACE, "")
    if chosen in _REPEATING:
        return ""
    return f"{_WORKSPACE} is {chosen!r}, but must be {' or '.join(_REPEATING)}, or unset"


def use(on: bool, device: torch.device) -> None:
    """Switch deterministic kernels on or off, where the device is a CUDA device. Others are left as they are.

    torch then refuses operators that have none, with a RuntimeError: see `explained`.
    """
    on = on and device.type == "cuda"
    if on == torch.are_deterministic_algorithms_enabled():
        return  # without an import of torch's compiler
    torch.use_deterministic_algorithms(on)
    _FILLING.fill_uninitialized_memory = not on  # no number is read before it is written
    torch.backends.cudnn.deterministic = on
    torch.backends.cudnn.benchmark = False


@contextmanager
def kept() -> Iterator[None]:
    """Restore torch's switches at the end of the context."""
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark
    filled = _FILLING.fill_uninitialized_memory
    try:
        yield
    finally:
        if torch.are_deterministic_algorithms_enabled() != before[0]:
            torch.use_deterministic_algorithms(before[0])
        _, cudnn.deterministic, cudnn.benchmark = before
        _FILLING.fill_uninitialized_memory = filled


@contextmanager
def explained(model: str) -> Iterator[None]:
    """Raise InputError in place of torch's error about an operator of the model that has no deterministic kernel."""
    try:
        yield
    except RuntimeError as error:
        operator, found, _ = str(error).partition(_UNAVAILABLE)
        if not found:
            raise
        raise InputError(
            f"--deterministic is unavailable for {model} on this device: {operator.split()[-1]} has no deterministic "
            "kernel. Use --no-deterministic"
        ) from error
