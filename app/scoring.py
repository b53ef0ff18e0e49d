"""The scores of a test's outputs: correct at k with Wilson intervals, balanced accuracy, and errors of values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # numpy and torch are imported where they compute
    import numpy as np
    from torch import Tensor

_RESAMPLINGS = 2000
_SAME = 1e-12  # of the targets' square: a variance below it is rounding


def correct_at(logits: Tensor, targets: Tensor, k: int) -> Tensor:
    """Return whether each target is among the k highest logits: (B, K), (B,) -> (B,) bool.

    The target's rank is the number of logits above it plus those equal to it with a lower index, so ties are decided
    equally on all devices, and a k above the number of classes counts everything. If a logit is not a number (NaN),
    there is no such order, and the target is not among the highest. Infinities are ordered as usual.
    """
    import torch

    own = logits.gather(1, targets[:, None])  # (B, 1)
    classes = torch.arange(logits.shape[1], device=logits.device)
    ahead = (logits > own) | ((logits == own) & (classes < targets[:, None]))
    return (ahead.sum(1) < k) & ~logits.isnan().any(1)


def top_k(labels: np.ndarray, logits: np.ndarray, k: int) -> dict[str, Any]:
    """Return the share of examples whose class is among the k highest logits, with its 95 % Wilson interval."""
    from scipy import stats  # takes seconds to import, and is only needed at a run's end

    found = correct_at(tensor_of(logits), tensor_of(labels), k)
    correct, n = int(found.sum()), len(found)
    interval = stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return {f"top{k}": correct / n, f"top{k}_interval": [float(interval.low), float(interval.high)]}


def tensor_of(array: np.ndarray) -> Tensor:
    """Return the tensor of an array. It shares the memory unless that is read-only, as a file's columns are."""
    import torch

    return torch.from_numpy(array if array.flags.writeable else array.copy())


def balanced_accuracy(recalls: Sequence[float | None]) -> float:
    """Return the mean recall of the classes that have examples, whose recall is not None."""
    import numpy as np

    return float(np.array([recall for recall in recalls if recall is not None]).mean())


def errors(summed: np.ndarray) -> tuple[float, float, float]:
    """Return RMSE, MAE and R2 from sums over rows: (1, squared error, absolute error, centred target, its square)."""
    n, squared, absolute, target, square = summed
    variance = square / n - (target / n) ** 2
    r2 = 1 - squared / n / variance if variance > _SAME * (square / n or 1) else float("nan")
    return math.sqrt(squared / n), float(absolute / n), float(r2)


def resampled(per_unit: np.ndarray) -> Iterator[np.ndarray]:
    """Yield sums over as many units, drawn with replacement, 2,000 times from a fixed seed, (5,) each."""
    import numpy as np

    random = np.random.default_rng(0)
    for _ in range(_RESAMPLINGS):
        yield per_unit[random.integers(len(per_unit), size=len(per_unit))].sum(0)
