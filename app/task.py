"""What is learned: a class or a number; its loss, and the sums that its metrics are made of.

Integer targets are classes (B,), floating ones numbers (B,), and every function here goes by that.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TOP_K = 5  # in the log
TOPS = (1, 3, 5)  # in results


def is_regression(targets: Tensor) -> bool:
    """Whether targets are numbers, not classes."""
    return targets.is_floating_point()


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss per example in float32 at least: cross-entropy in nats, (B, K), (B,) -> (B,); of numbers the squared error,
    (B, 1), (B,) -> (B,)."""
    wide = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    if is_regression(targets):
        return (wide.squeeze(1) - targets).square()
    return F.cross_entropy(wide, targets, reduction="none")


def correct_at(logits: Tensor, targets: Tensor, k: int) -> Tensor:
    """Whether each target is among the k highest logits: (B, K), (B,) -> (B,) bool.

    The target's rank is the number of logits above it plus those equal to it with a lower index, so ties are decided
    alike everywhere, and k above the number of classes counts everything.
    """
    own = logits.gather(1, targets[:, None])  # (B, 1)
    classes = torch.arange(logits.shape[1], device=logits.device)
    ahead = (logits > own) | ((logits == own) & (classes < targets[:, None]))
    return ahead.sum(1) < k


def sums(outputs: Tensor, targets: Tensor, *, at_k: bool = False) -> Tensor:
    """(loss, correct) summed over a batch, with `at_k` also correct at 5; of numbers always (loss, absolute error);
    on the outputs' device."""
    loss = losses(outputs, targets)
    if is_regression(targets):
        return torch.stack([loss.sum(), (outputs.squeeze(1).to(loss.dtype) - targets).abs().sum()])
    parts = [loss.sum(), correct_at(outputs, targets, 1).sum()]
    return torch.stack([*parts, correct_at(outputs, targets, TOP_K).sum()] if at_k else parts)


def drawn(count: int, *, task: str, classes: int, device: torch.device) -> Tensor:
    """Targets of no meaning, for what is measured on noise: the classes in turn, or numbers from -2 to 2."""
    if task == "regression":
        return torch.linspace(-2, 2, count, device=device)
    return torch.arange(count, device=device) % classes
