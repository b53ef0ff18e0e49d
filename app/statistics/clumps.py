"""Runs that did not learn: an arm whose results fall into two clumps. The mean of such runs describes none of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .crossed import beats
from .rates import fisher, wilson
from .scores import checked_results

_TIMES_MEDIAN = 3  # of the gaps between neighbours
_FACTOR = math.log(10)  # of the MSE


@dataclass(frozen=True, kw_only=True)
class Clumps:
    """Which runs learned, and the comparison of all runs. Results are log MSE: lower is better."""

    cut: float  # log MSE; runs below it learned
    learned: tuple[tuple[bool, ...], tuple[bool, ...]]  # of each run of A and B
    shares: tuple[float, float]
    intervals: tuple[tuple[float, float], tuple[float, float]]  # Wilson
    fisher_p: float  # of the shares
    mann_whitney_p: float  # of all runs, exact
    a_beats_b: float  # share of pairs in which A is lower


def two_clumps(log_mse: np.ndarray) -> float | None:
    """Return the middle of the gap between two clumps of an arm's log MSE (k,), or None for one clump.

    There are two clumps if the largest gap between neighbours is above three times the median gap and above log 10.
    Three runs or fewer never show two clumps.
    """
    ordered = np.sort(checked_results(log_mse, "A"))
    gaps = np.diff(ordered)
    if not len(gaps) or not gaps.max() > max(_TIMES_MEDIAN * float(np.median(gaps)), _FACTOR):
        return None
    place = int(gaps.argmax())
    return float(ordered[place] + ordered[place + 1]) / 2


def clumps(a_log_mse: np.ndarray, b_log_mse: np.ndarray, level: float = 0.95) -> Clumps | None:
    """Return which runs learned and how the arms compare, from log MSE (k_A,) and (k_B,). None: no arm has two clumps.

    The cut is that of the arm with two clumps, of both arms the one with the larger gap. The shares that learned are
    compared by Fisher's exact test, and all runs by the exact test of Mann and Whitney.
    """
    arms = checked_results(a_log_mse, "A"), checked_results(b_log_mse, "B")
    cuts = [(float(np.diff(np.sort(arm)).max()), cut) for arm in arms if (cut := two_clumps(arm)) is not None]
    if not cuts:
        return None
    cut = max(cuts)[1]
    learned = [tuple(bool(x < cut) for x in arm) for arm in arms]
    counts = [(sum(runs), len(runs)) for runs in learned]
    (a, of_a), (b, of_b) = counts
    return Clumps(
        cut=cut, learned=(learned[0], learned[1]), shares=(a / of_a, b / of_b),
        intervals=(wilson(a, of_a, level), wilson(b, of_b, level)), fisher_p=fisher(a, of_a, b, of_b),
        mann_whitney_p=mann_whitney(*arms), a_beats_b=beats(-arms[0], -arms[1]),
    )  # fmt: skip


def shift(a_results: np.ndarray, b_results: np.ndarray) -> float:
    """Return the median of all differences of a run of A and one of B (k_A,), (k_B,), whatever single runs are.

    It is positive where A beats B in more than half of the pairs. Source: Hodges and Lehmann 1963,
    doi:10.1214/aoms/1177704172.
    """
    a, b = checked_results(a_results, "A"), checked_results(b_results, "B")
    return float(np.median(a[:, None] - b[None]))


def mann_whitney(a: np.ndarray, b: np.ndarray) -> float:
    """Return the exact two-sided p value of two sets of results, twice the smaller tail (Mann and Whitney 1947).

    Tied results share their mean rank, and the tails are those of all ways to divide the ranks between the arms.
    """
    arms = checked_results(a, "A"), checked_results(b, "B")
    values = np.concatenate(arms)
    below = (values[:, None] > values).sum(1)
    doubled = below + (values[:, None] >= values).sum(1) + 1  # twice the mean rank, an integer
    ways = _ways(doubled.tolist(), len(arms[0]))
    observed = int(doubled[: len(arms[0])].sum())
    total, lower = sum(ways.values()), sum(way for rank, way in ways.items() if rank <= observed)
    upper = total - lower + ways[observed]
    return min(1.0, 2 * min(lower, upper) / total)


def _ways(ranks: list[int], count: int) -> dict[int, int]:
    """Return in how many ways `count` of the ranks have each sum."""
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(count))]
    for done, rank in enumerate(ranks):
        for chosen in range(min(count, done + 1), 0, -1):
            for total, way in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + way
    return ways[count]
