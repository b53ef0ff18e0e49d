"""How float32 is computed on a device: in full, or with inputs rounded to TF32's 10 bits on GPUs that have it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import InputError
from . import checks


def resolved(precision: str, device: torch.device, *, exact: bool = False) -> str:
    """Return a precision as a device computes it, and set torch to it: TF32 is off unless it is asked for.

    `auto` is bf16 on a GPU with bf16 units and fp32 elsewhere. `tf32` raises InputError on a device without it, or is
    fp32 there if `exact`.
    """
    if precision == "auto":
        precision = "bf16" if _is_of(checks.BF16_UNITS, device) else "fp32"
    if precision == "tf32" and not _is_of(checks.TF32, device):
        if not exact:
            raise InputError(
                f"--precision tf32 is unavailable on {device}. It needs a GPU of compute capability 8.0 or newer. "
                "Use --precision fp32"
            )
        precision = "fp32"
    allow_tf32(precision == "tf32")
    return precision


def _is_of(least: checks.Capability, device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= least


def allow_tf32(allowed: bool) -> None:
    """Let products and convolutions of float32 on GPUs round their inputs, or compute in full.

    torch by itself computes products in full and lets convolutions round.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def kept() -> Iterator[None]:
    """Leave torch's use of TF32 as it was before."""
    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
