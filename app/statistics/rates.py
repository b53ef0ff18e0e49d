"""Shares of successes: their intervals and the comparison of two of them."""

from __future__ import annotations

import math

from scipy.special import ndtri


def wilson(correct: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of `correct` of n examples (Wilson 1927, doi:10.2307/2276774).

    `correct` may be a mean of counts.
    """
    z = float(ndtri((1 + level) / 2))
    share, square = correct / n, z**2 / n
    centre = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / n + square / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def fisher(a: int, of_a: int, b: int, of_b: int) -> float:
    """Return the exact two-sided p value of a of `of_a` against b of `of_b` successes (Fisher 1922).

    It is the probability of all tables with these margins that are at most as probable as the observed one.
    """
    successes = a + b
    tables = range(max(0, successes - of_b), min(of_a, successes) + 1)
    ways = {x: math.comb(of_a, x) * math.comb(of_b, successes - x) for x in tables}
    return sum(way for way in ways.values() if way <= ways[a]) / sum(ways.values())
