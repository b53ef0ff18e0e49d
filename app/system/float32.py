"""The arithmetic of float32 on a device: full precision, or inputs rounded to TF32's 10 bits on GPUs that have TF32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import InputError
from . import checks, devices

_MIXED = ("bf16", "fp16")


def resolved(precision: str, device: torch.device, *, exact: bool = False) -> str:
    """Return the precision that a device uses, and configure torch for it. TF32 is off unless it is requested.

    `auto` is bf16 on a GPU with bf16 units and fp32 elsewhere. On a device without TF32, `tf32` raises InputError, or
    is fp32 if `exact`.
    """
    if precision == "auto":
        precision = "bf16" if _is_of(checks.BF16_UNITS, device) else "fp32"
    if precision in _MIXED and precision not in devices.limits(device).mixed:
        raise InputError(f"--precision {precision} is unavailable on {device}. Use --precision fp32")
    if precision == "tf32" and (devices.is_amd() or not _is_of(checks.TF32, device)):
        if not exact:
            raise InputError(
                f"--precision tf32 is unavailable on {device}. It needs an NVIDIA GPU of compute capability "
                "8.0 or newer. Use --precision fp32"
            )
        precision = "fp32"
    allow_tf32(precision == "tf32")
    return precision


def _is_of(least: checks.Capability, device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= least


def allow_tf32(allowed: bool) -> None:
    """Let float32 products and convolutions on GPUs round their inputs, or compute them in full.

    By default torch computes products in full and lets convolutions round.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def kept() -> Iterator[None]:
    """Restore torch's use of TF32 at the end of the context."""
    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
