"""The loss that training minimises where it is not the task's own: smoothed, weighted by class, or binary.

Validation and test always use the task's own loss, so that runs of any training loss can be compared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("cross_entropy", "bce")


class Objective(NamedTuple):
    """The training loss of a classification."""

    loss: str = "cross_entropy"  # of LOSSES
    smoothing: float = 0.0
    weights: Tensor | None = None  # float32 (K,) of the classes, on the outputs' device

    @property
    def is_plain(self) -> bool:
        """Whether it is the task's own loss."""
        return self.loss == "cross_entropy" and not self.smoothing and self.weights is None

    def guess(self, classes: int) -> float:
        """Return the loss of a model that answers with equal probabilities, for labels that are not smoothed.

        It is ln K, and of `bce` -(ln p + (K - 1) ln(1 - p)) / K at p = 1 / K.
        """
        if self.loss == "cross_entropy":
            return math.log(classes)
        return (math.log(classes) + (classes - 1) * math.log(classes / (classes - 1))) / classes


PLAIN = Objective()


def summed(outputs: Tensor, targets: Tensor, objective: Objective) -> Tensor:
    """Return the sum of a batch's losses: (B, K) float32 at least, classes (B,) or their shares (B, K) -> ().

    With t the shares (1 and 0 of a class), s the smoothing and w the weights, the loss of an example is

        cross_entropy: -sum_k w_k ((1 - s) t_k + s / K) ln p_k,  p the softmax, as torch's `cross_entropy`
        bce: -(1 / K) sum_k (u_k ln q_k + (1 - u_k) ln(1 - q_k)),  u = (1 - s) t + s / K,  q the sigmoid

    The second is timm's `BinaryCrossEntropy` (timm/loss/binary_cross_entropy.py; arXiv:2110.00476, section 2.1).
    """
    from torch.nn import functional as F

    if objective.loss == "bce":
        shares = targets if targets.dim() == 2 else F.one_hot(targets, outputs.shape[1])
        wanted = shares.to(outputs.dtype) * (1 - objective.smoothing) + objective.smoothing / outputs.shape[1]
        return F.binary_cross_entropy_with_logits(outputs, wanted, reduction="none").mean(1).sum()
    weights = None if objective.weights is None else objective.weights.to(outputs.dtype)
    if weights is None and not objective.smoothing:  # the order of the sum, and so the bits, of a plain run
        return F.cross_entropy(outputs, targets, reduction="none").sum()
    return F.cross_entropy(outputs, targets, weight=weights, reduction="sum", label_smoothing=objective.smoothing)
