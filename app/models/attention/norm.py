"""The norm of differential attention's heads (arXiv:1910.07467), which needs no additional memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class UnitRMS(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) over the last axis (arXiv:1910.07467, without its weight). It keeps only its output.

    The next layer keeps that output too, so the norm needs no additional memory. `apply` also returns the factor of
    each row, (..., 1). As an output it has a gradient, without which second derivatives would lack a part.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        out, scale = _normed(x, eps)
        ctx.save_for_backward(out, scale)
        return out, scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, of_scale: Tensor) -> tuple[Tensor, None]:
        out, scale = ctx.saved_tensors
        along = (gradient * out).mean(-1, keepdim=True, dtype=scale.dtype) + of_scale * scale / out.shape[-1]
        return (scale * (gradient - out * along)).to(gradient.dtype), None


def unit_rms(x: Tensor, eps: float) -> Tensor:
    """Return x / sqrt(mean(x^2) + eps) over the last axis, in the shape and dtype of x."""
    if torch.jit.is_tracing():  # TorchScript has no autograd functions
        return _normed(x, eps)[0]
    return UnitRMS.apply(x, eps)[0]


def _normed(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return the normed x, and the factor of each row: (..., d) -> (..., d), (..., 1)."""
    wide = torch.promote_types(x.dtype, torch.float32)
    scale = (x.to(wide).square().mean(-1, keepdim=True) + eps).rsqrt()
    return (x * scale).to(x.dtype), scale
