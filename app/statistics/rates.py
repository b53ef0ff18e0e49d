"""Shares of successes: their intervals and the comparison of two of them."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri, stdtrit


def wilson(correct: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of `correct` of n examples (Wilson 1927, doi:10.2307/2276774).

    `correct` may be a mean of counts, and n an effective number.
    """
    z = float(ndtri((1 + level) / 2))
    share, square = correct / n, z**2 / n
    centre = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / n + square / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def wilson_of_mean(units: np.ndarray, *, clustered: bool = False, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of the mean of at least two `units`, whose mean is a share between 0 and 1.

    n is the number of independent successes and failures with the same variance: `share (1 - share) / SE^2` (Franco et
    al. 2019, PMC6690503), and the number of units if they do not vary. With `clustered`, units are groups of examples,
    and n is smaller by `(z / t)^2` with one degree of freedom less than groups (Korn and Graubard 1998, Survey
    Methodology 24). Units of 0 and 1 that are not clustered have the interval of `wilson`.
    """
    count, share, variance = len(units), float(np.mean(units)), float(np.var(units))
    n = share * (1 - share) / (variance / count) if variance > 0 else count
    if clustered:
        n *= (count - 1) / count * float(ndtri((1 + level) / 2) / stdtrit(count - 1, (1 + level) / 2)) ** 2
    return wilson(share * n, n, level)


def fisher(a: int, of_a: int, b: int, of_b: int) -> float:
    """Return the exact two-sided p value of a of `of_a` against b of `of_b` successes (Fisher 1922).

    It is the probability of all tables with these margins that are at most as probable as the observed one.
    """
    successes = a + b
    tables = range(max(0, successes - of_b), min(of_a, successes) + 1)
    ways = {x: math.comb(of_a, x) * math.comb(of_b, successes - x) for x in tables}
    return sum(way for way in ways.values() if way <= ways[a]) / sum(ways.values())
