"""One run per arm on the same test examples: which of the two sets of weights is right more often.

The answer is about two runs and never about two architectures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, gammaln, ndtri

from .scores import checked


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """The examples on which two runs disagree, and what follows from them."""

    examples: int  # n
    only_a: int  # examples that only A gets right
    only_b: int
    difference: float  # accuracy of A - accuracy of B, as a fraction
    interval: tuple[float, float]  # Wald
    p_exact: float  # two-sided
    p_mid: float


def mcnemar(a_correct: np.ndarray, b_correct: np.ndarray, level: float = 0.95) -> McNemar:
    """Return the comparison of two runs from what each gets right: (n,) bool, (n,) bool.

    With b and c the examples that only one run gets right: `D = (b - c)/n -+ z sqrt(b + c - (b - c)^2/n)/n`. The exact
    p value is that of a fair coin tossed b + c times (McNemar 1947, doi:10.1007/BF02295996). Its mid-p is the exact
    p less half the probability of the observed |b - c| (Fagerland et al. 2013, doi:10.1186/1471-2288-13-91).

    Raises ValueError for shapes that differ.
    """
    a, b = (_correct(arm, name) for arm, name in ((a_correct, "A"), (b_correct, "B")))
    if len(a) != len(b):
        raise ValueError(f"arm A has {len(a)} examples and arm B has {len(b)}. Give the same examples")
    n, only_a, only_b = len(a), int((a & ~b).sum()), int((b & ~a).sum())
    difference = (only_a - only_b) / n
    half = float(ndtri((1 + level) / 2)) * math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / n) / n
    exact, observed = _exact(only_a, only_b)
    return McNemar(
        examples=n, only_a=only_a, only_b=only_b, difference=difference,
        interval=(difference - half, difference + half), p_exact=exact, p_mid=exact - observed / 2,
    )  # fmt: skip


def _correct(scores: np.ndarray, arm: str) -> np.ndarray:
    found = checked(np.atleast_2d(scores), arm)[0]
    if not np.isin(found, (0, 1)).all():
        raise ValueError(f"the scores of arm {arm} are not 0 and 1. Give what the run gets right")
    return found.astype(bool)


def _exact(b: int, c: int) -> tuple[float, float]:
    """Return the exact two-sided p value and the probability of the observed |b - c|; (1, 0) without a disagreement."""
    m, fewer = b + c, min(b, c)
    if not m:
        return 1.0, 0.0
    tail = float(bdtr(fewer, m, 0.5))
    point = math.exp(float(gammaln(m + 1) - gammaln(fewer + 1) - gammaln(m - fewer + 1)) - m * math.log(2))
    return min(1.0, 2 * tail), point if b == c else 2 * point
