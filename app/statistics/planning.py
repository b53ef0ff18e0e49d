"""Seeds, examples and looks of a comparison, planned before it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import chdtri, nctdtr, ndtri, stdtrit

from .crossed import standard_error
from .student import MOST_DF

_MOST_SEEDS = 50
_CAUTIOUS = 0.2  # a pilot's variance is below the quantile of the upper one with this probability


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What detects a true difference of `delta` with the wanted power."""

    seeds: int | None  # of each arm; None: more than `most_seeds`, or no number of seeds
    seeds_upper: int | None  # the same with the upper limit of the variance; None also without a pilot
    examples: int | None  # the least number of test examples if no number of seeds can do it, else None
    most_seeds: int


def power(k: int, v_a: float, v_b: float, w: float, d: float, level: float = 0.95) -> float:
    """Return the probability that k seeds per arm show a true difference d.

    `SE^2 = (v_A + v_B)/k + w`, and the power is that of the noncentral t with Hillis' degrees of freedom and
    noncentrality d/SE. v is the variance of a run's result, w the examples' part. Raises ValueError for k < 2.
    """
    if k < 2:
        raise ValueError(f"{k} seeds per arm have no standard error. Plan at least 2")
    square = (v_a + v_b) / k + w
    if square <= 0:
        return float(d != 0)
    if v_a + v_b > 0:
        se, df = (float(found) for found in standard_error((v_a, v_b), (k, k), w, 0))
    else:
        se, df = math.sqrt(square), MOST_DF
    t, effect = float(stdtrit(df, (1 + level) / 2)), abs(d) / se
    return 1 - _below(t, df, effect) + _below(-t, df, effect)


def needed_seeds(
    v_a: float,
    v_b: float,
    w: float,
    delta: float,
    *,
    examples: int,
    runs: tuple[int, int] | None = None,
    wanted: float = 0.8,
    level: float = 0.95,
) -> Needed:
    """Return the seeds per arm that detect a true difference `delta` with power `wanted`, or the examples.

    `delta` is the margin and never the observed difference. `examples` are those from which w was computed, and
    `runs` those from which v_A and v_B were (None: no pilot). If `delta <= z sqrt(w)` with z = 2.80 at 95 % and 80 %,
    no number of seeds reaches the power, and `n z^2 w / delta^2` is the least number of test examples.
    """
    z = float(ndtri((1 + level) / 2) + ndtri(wanted))
    if delta <= z * math.sqrt(w):
        least = math.ceil(examples * z**2 * w / delta**2)
        return Needed(seeds=None, seeds_upper=None, examples=least, most_seeds=_MOST_SEEDS)

    def fewest(factor: float) -> int | None:
        enough = (
            k for k in range(2, _MOST_SEEDS + 1) if power(k, factor * v_a, factor * v_b, w, delta, level) >= wanted
        )
        return next(enough, None)

    upper = None if runs is None else fewest(upper_factor(runs))
    return Needed(seeds=fewest(1), seeds_upper=upper, examples=None, most_seeds=_MOST_SEEDS)


def least_difference(
    k: int, v_a: float, v_b: float, w: float, *, wanted: float = 0.8, level: float = 0.95
) -> float:  # fmt: skip
    """Return the least true difference that k seeds per arm show with power `wanted`, by bisection."""
    low, high = 0.0, 1e-12 + 100 * math.sqrt(v_a + v_b + w)
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        if power(k, v_a, v_b, w, middle, level) < wanted:
            low = middle
        else:
            high = middle
    return high


def upper_factor(runs: tuple[int, int]) -> float:
    """Return the factor from a pilot's variance to its upper limit, `df / chi2(0.2, df)` with df = k_A + k_B - 2."""
    df = sum(runs) - 2
    if df < 1:
        raise ValueError("a pilot of one run per arm has no variance")
    return df / float(chdtri(df, 1 - _CAUTIOUS))


def look_level(looks: int, level: float = 0.95) -> float:
    """Return the level of each of several planned looks, which share 1 - level equally."""
    if looks < 1:
        raise ValueError(f"{looks} looks are planned. Plan at least 1")
    return 1 - (1 - level) / looks


def _below(t: float, df: float, effect: float) -> float:
    """Return the noncentral t distribution at t; 0 where scipy has NaN, far in the lower tail."""
    found = float(nctdtr(df, effect, t))
    return 0.0 if math.isnan(found) else found
