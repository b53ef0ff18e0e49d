"""What is learned: classification's loss and the counts that its metrics are made of."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TOP_K = 5


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats per example, in float32 at least: (B, K), (B,) -> (B,)."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
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


def sums(logits: Tensor, targets: Tensor, *, at_k: bool = False) -> Tensor:
    """(loss, correct) summed over a batch, with `at_k` also correct at 5; on the logits' device."""
    parts = [losses(logits, targets).sum(), correct_at(logits, targets, 1).sum()]
    return torch.stack([*parts, correct_at(logits, targets, TOP_K).sum()] if at_k else parts)
