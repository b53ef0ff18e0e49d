"""The difference of two arms whose seeds are nested in the arms and crossed with the test examples.

The variance is that of Obuchowski and Rockette (1995, doi:10.1080/03610919508813243) for readers and cases, with the
degrees of freedom of Hillis (2007, doi:10.1002/sim.2532). Scores are oriented: higher is better.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from .grouping import codes_of, grouped
from .scores import are_identical, checked, checked_results, results_agree
from .student import MOST_DF, interval, two_sided

_FEWEST_CONSTANT = 3  # runs per arm, if no run differs from another in its result

Target = Literal["examples", "test-set"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A difference D = mean of A - mean of B, with its standard error and what it consists of."""

    difference: float
    se: float | None  # None: one seed in an arm, or nothing varies
    df: float | None  # Hillis' degrees of freedom, at most 1e6
    examples: int  # n; 0 of results without examples
    groups: int  # G, equal to n without groups
    seeds: tuple[int, int]  # runs of A and B
    means: tuple[float, float]
    sds: tuple[float, float]  # of a run's result; NaN for one run
    examples_part: float  # w, a variance; NaN for fewer than two groups
    identical: bool  # the arms' runs are equal on every example

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return D -+ t(df) SE, or None without a standard error."""
        return interval(self.difference, self.se, self.df, level)

    @property
    def p(self) -> float | None:
        """The two-sided p value of no difference, or None without a standard error."""
        return two_sided(self.difference, self.se, self.df)


@dataclass(frozen=True, kw_only=True)
class Variances:
    """The parts of the standard error, as arrays (...) over the leading axes of the scores."""

    runs: tuple[np.ndarray, np.ndarray]  # v of A and B: variance of a run's result; NaN for one run
    examples: np.ndarray  # w; NaN for one example


def crossed(
    a: np.ndarray,
    b: np.ndarray,
    *,
    groups: Iterable[Hashable] | np.ndarray | None = None,
    target: Target = "examples",
) -> Estimate:
    """Return the difference of the arms' mean scores: a (k_A, n), b (k_B, n) -> Estimate.

    `SE^2 = v_A/k_A + v_B/k_B + w`. v is the variance of a run's result, and w is the part of the test examples.
    The target `test-set` omits w: the answer is then about these examples only (Welch's t over runs). Examples of a
    group count as one. Arms may have different numbers of runs.

    Raises ValueError for scores that are not finite and for shapes that do not fit.
    """
    a, b = checked(a, "A"), checked(b, "B")
    n, seeds = a.shape[1], (len(a), len(b))
    if b.shape[1] != n:
        raise ValueError(f"arm A has {n} examples and arm B has {b.shape[1]}. Give the same examples")
    codes = None if groups is None else codes_of(groups, n)
    units = n if codes is None else int(codes.max()) + 1
    parts = variances(a, b, codes)
    w = parts.examples if target == "examples" else np.zeros(())
    se, df = standard_error(parts.runs, seeds, w, units)
    return _estimate(
        means=(float(a.sum() / a.size), float(b.sum() / b.size)), se=se, df=df, seeds=seeds, variances=parts.runs,
        sizes=(n, units), w=float(parts.examples), identical=are_identical(a, b),
    )  # fmt: skip


def welch(a_results: np.ndarray, b_results: np.ndarray) -> Estimate:
    """Return the difference of the arms' mean results: (k_A,), (k_B,) -> Estimate (Welch 1947, doi:10.2307/2332510).

    For runs that have no examples in common. The answer is about runs on these test sets.
    """
    a, b = checked_results(a_results, "A"), checked_results(b_results, "B")
    seeds = (len(a), len(b))
    runs = (_variance(a, results_agree(a[:, None])), _variance(b, results_agree(b[:, None])))
    se, df = standard_error(runs, seeds, np.zeros(()), 0)
    means = float(a.mean()), float(b.mean())
    return _estimate(
        means=means, se=se, df=df, seeds=seeds, variances=runs, sizes=(0, 0), w=float("nan"), identical=False
    )


def variances(a: np.ndarray, b: np.ndarray, codes: np.ndarray | None = None) -> Variances:
    """Return the parts of the standard error: a (..., k_A, n), b (..., k_B, n), groups (n,) from 0.

    `w = max(0, var_i c_i - E_A/k_A - E_B/k_B) / n` with c_i the difference of the arms' means at example i, and E the
    mean square of seed x example. Groups take the place of examples.
    """
    runs = [_variance(arm.mean(-1, dtype=np.float64), results_agree(arm)) for arm in (a, b)]
    units = [arm.astype(np.float64) if codes is None else grouped(arm, codes) for arm in (a, b)]
    n = units[0].shape[-1]
    if n < 2:
        return Variances(runs=(runs[0], runs[1]), examples=np.full(runs[0].shape, np.nan))
    spread = (units[0].mean(-2) - units[1].mean(-2)).var(-1, ddof=1)
    churn_a, churn_b = (interaction(arm) / arm.shape[-2] for arm in units)
    w = np.maximum(0, spread - (churn_a + churn_b)) / n
    return Variances(runs=(runs[0], runs[1]), examples=w)


def standard_error(
    runs: tuple[np.ndarray | float, np.ndarray | float], seeds: tuple[int, int], w: np.ndarray | float, units: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return SE and Hillis' degrees of freedom from v of each arm, w, and the number of examples or groups.

    `df = SE^4 / (v_A^2/(k_A^2 (k_A-1)) + v_B^2/(k_B^2 (k_B-1)))`, at most 1e6. If all runs of an arm have one result
    in both arms, df = units - 1 from three runs per arm. NaN where there is no standard error.
    """
    shares = [np.asarray(v) / k for v, k in zip(runs, seeds, strict=True)]
    square = shares[0] + shares[1] + w
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [(share / square) ** 2 / (k - 1) for share, k in zip(shares, seeds, strict=True)]
        df = np.minimum(1 / (parts[0] + parts[1]), MOST_DF)
    constant = units - 1 if min(seeds) >= _FEWEST_CONSTANT else np.nan
    df = np.where((shares[0] == 0) & (shares[1] == 0), constant, df)
    known = (square > 0) & ~np.isnan(df)
    return np.sqrt(np.where(known, square, np.nan)), np.where(known, df, np.nan)


def one_more_run(results: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the interval in which one more run's result is expected: `mean -+ t(k-1) sqrt(v (1 + 1/k))`.

    Raises ValueError for fewer than two results.
    """
    found = checked_results(results, "A")
    k = len(found)
    if k < 2:
        raise ValueError("the interval of one more run needs at least two runs")
    spread = np.sqrt(_variance(found, results_agree(found[:, None])) * (1 + 1 / k))
    half = float(stdtrit(k - 1, (1 + level) / 2) * spread)
    return float(found.mean()) - half, float(found.mean()) + half


def beats(a_results: np.ndarray, b_results: np.ndarray) -> float:
    """Return P(A beats B): the share of pairs of runs in which A has the higher result; ties count one half."""
    a, b = checked_results(a_results, "A")[:, None], checked_results(b_results, "B")[None]
    return float(((a > b) + 0.5 * (a == b)).mean())


def _variance(results: np.ndarray, agree: np.ndarray) -> np.ndarray:
    """Return the variance of the runs' results, exactly 0 where they agree: (..., k) -> (...); NaN for one run."""
    if results.shape[-1] < 2:
        return np.full(results.shape[:-1], np.nan)
    return np.where(agree, 0.0, results.var(-1, ddof=1))


def interaction(scores: np.ndarray) -> np.ndarray:
    """Return E, the mean square of seed x example: (..., k, n) -> (...); 0 for one run."""
    k, n = scores.shape[-2:]
    if k < 2:
        return np.zeros(scores.shape[:-2])
    rest = scores - scores.mean(-1, keepdims=True)
    rest -= rest.mean(-2, keepdims=True)
    return np.einsum("...ki,...ki->...", rest, rest) / ((k - 1) * (n - 1))


def _estimate(
    *,
    means: tuple[float, float],
    se: np.ndarray,
    df: np.ndarray,
    seeds: tuple[int, int],
    variances: tuple[np.ndarray, np.ndarray],
    sizes: tuple[int, int],
    w: float,
    identical: bool,
) -> Estimate:
    known = not np.isnan(se)
    return Estimate(
        difference=means[0] - means[1], se=float(se) if known else None, df=float(df) if known else None,
        examples=sizes[0], groups=sizes[1], seeds=seeds, means=means,
        sds=(float(np.sqrt(variances[0])), float(np.sqrt(variances[1]))), examples_part=w, identical=identical,
    )  # fmt: skip
