"""Several comparisons at once: p values and levels of a family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr

SIGNS = 6  # datasets from which a sign test can reach p < 0.05


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p values adjusted by Holm's steps, in the given order (Holm 1979, www.jstor.org/stable/4615733).

    The chance of any false positive in the family is at most alpha if values below alpha count.
    """
    order = np.argsort(ps, kind="stable")
    m = len(order)
    steps = np.maximum.accumulate(np.asarray(ps, dtype=np.float64)[order] * (m - np.arange(m)))
    return _in_given_order(np.minimum(steps, 1), order)


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Return the p values adjusted for the false discovery rate, in the given order.

    Source: Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x. For exploratory tables.
    """
    order = np.argsort(ps, kind="stable")
    m = len(order)
    steps = np.asarray(ps, dtype=np.float64)[order] * m / np.arange(1, m + 1)
    return _in_given_order(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1), order)


def discoveries(ps: Sequence[float | None]) -> list[float | None]:
    """Return the p values adjusted by `benjamini_hochberg` among those that are known."""
    known = iter(benjamini_hochberg([p for p in ps if p is not None]))
    return [None if p is None else next(known) for p in ps]


def bonferroni_level(level: float, comparisons: int) -> float:
    """Return the level of each interval such that all together contain their values with probability `level`."""
    return 1 - (1 - level) / comparisons


def sign_test(ahead: int, behind: int) -> float | None:
    """Return the exact two-sided p value of `ahead` against `behind` signs, ties omitted; None for fewer than six.

    The smallest p value of m signs is 2^(1 - m), which is above 0.05 for m < 6.
    """
    signs = ahead + behind
    return min(1.0, 2 * float(bdtr(min(ahead, behind), signs, 0.5))) if signs >= SIGNS else None


def _in_given_order(adjusted: np.ndarray, order: np.ndarray) -> list[float]:
    found = np.empty(len(order))
    found[order] = adjusted
    return [float(p) for p in found]
