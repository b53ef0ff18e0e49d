"""The reliability of probabilities: expected calibration error, its debiased estimate, and a temperature.

Naeini et al. 2015 (equal width); Kumar et al. 2019, arXiv:1909.10155, section 4.1 (debiased); Roelofs et al. 2022,
arXiv:2012.08668 (equal mass); Guo et al. 2017, arXiv:1706.04599, section 4.2 (temperature).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .rates import wilson

BINS = 15
_CLOSE, _STEPS = 1e-10, 100  # of the derivative of the mean loss; Newton steps
_RANGE = (1e-3, 1e3)  # of 1/T


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bin of a reliability diagram: its examples, their mean confidence, and their accuracy with an interval."""

    n: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson


def equal_width(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin (lo, hi] of each confidence, int (n,) from 0."""
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def equal_mass(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin of each confidence such that the bins are about equally large, int (n,) from 0.

    Equal confidences are in one bin, so the order of the examples has no influence. A bin of one example is joined to
    its neighbour. There are at most n/2 bins.
    """
    n = len(confidence)
    bins = max(1, min(bins, n // 2))
    ordered = np.sort(confidence)
    edges = ordered[np.ceil(np.arange(1, bins) * n / bins).astype(int) - 1]
    found = np.searchsorted(np.unique(edges), confidence, side="left")
    sizes = np.bincount(found)
    place, target, size = 0, np.empty(len(sizes), int), 0
    for each, count in enumerate(sizes):
        target[each] = place
        size += count
        if size > 1:
            place, size = place + 1, 0
    if size and place:  # the last bin is too small: it belongs to the one before
        target[target == place] = place - 1
    return target[found]


def ece(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """Return `sum_b n_b/n |accuracy_b - confidence_b|` over bins of equal width. Its expectation is above the error's.

    `confidence` is float (n,) in 0..1, `correct` bool (n,).
    """
    gaps = np.bincount(equal_width(confidence, bins), correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def debiased(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """Return the debiased calibration error over bins of equal mass, the signed root of the squared error's estimate.

    The estimate is `sum_b n_b/n ((confidence_b - accuracy_b)^2 - accuracy_b (1 - accuracy_b)/(n_b - 1))`. Its mean for
    a calibrated model is 0 up to the binning, and it may be negative. `confidence` is float (n,) in 0..1, `correct`
    bool (n,). Raises ValueError for fewer than two examples.
    """
    if len(confidence) < 2:
        raise ValueError("the debiased calibration error needs two examples")
    found = equal_mass(confidence, bins)
    sizes = np.bincount(found)
    accuracy = np.bincount(found, correct) / sizes
    gap = np.bincount(found, confidence) / sizes - accuracy
    square = (sizes * (gap**2 - accuracy * (1 - accuracy) / (sizes - 1))).sum() / len(confidence)
    return math.copysign(math.sqrt(abs(square)), square)


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the bins of equal mass, lowest confidence first."""
    found = equal_mass(confidence, bins)
    sizes, hits = np.bincount(found), np.bincount(found, correct).astype(int)
    sums = np.bincount(found, confidence)
    return tuple(
        Bin(n=int(n), confidence=float(total / n), accuracy=float(right / n), interval=wilson(int(right), int(n)))
        for n, right, total in zip(sizes, hits, sums, strict=True)
    )


def temperature(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Return the T from 1/1000 to 1000 that minimises the mean of `-log softmax(logits / T)[label]`, or None.

    There is none if every label has the highest logit, or if the logits say nothing about the labels. The loss is
    convex in 1/T. It is minimised by Newton's method, and by bisection where a step leaves the bracket. `logits` is
    float (n, K), `labels` int (n,).
    """
    logits, own = _centred(logits, labels)
    low, high = _RANGE
    if _slope(logits, own, low)[0] >= 0 or _slope(logits, own, high)[0] <= 0:
        return None
    inverse = 1.0
    for _ in range(_STEPS):
        slope, curvature = _slope(logits, own, inverse)
        if abs(slope) < _CLOSE:
            break
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        inverse = inverse - slope / curvature if curvature > 0 else math.inf
        if not low < inverse < high:
            inverse = math.sqrt(low * high)
    return 1 / inverse


def nll(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return `-log softmax(logits / T)[label]` in nats, float64 (n,). `logits` is float (n, K), `labels` int (n,)."""
    logits, own = _centred(logits, labels)
    return np.asarray(np.log(np.exp(logits / temperature).sum(1)) - own / temperature)


def _centred(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits minus the highest of each row, float64 (n, K), and those of the labels, (n,)."""
    logits = logits.astype(np.float64)
    logits -= logits.max(1, keepdims=True)
    return logits, np.take_along_axis(logits, labels[:, None], 1)[:, 0]


def _slope(logits: np.ndarray, own: np.ndarray, inverse: float) -> tuple[float, float]:
    """Return the first and second derivative of the mean loss by 1/T: means of E[z] - z_label and of Var[z]."""
    shares = np.exp(logits * inverse)
    shares /= shares.sum(1, keepdims=True)
    mean = np.einsum("nk,nk->n", shares, logits)
    spread = np.einsum("nk,nk,nk->n", shares, logits, logits) - mean**2
    return float((mean - own).mean()), float(spread.mean())
