"""A ladder: runs of one family at several sizes, all tested on the same examples."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from .crossed import Target, interaction
from .grouping import codes_of, grouped
from .scores import checked, checked_results
from .student import MOST_DF, Quantity

_FEWEST_SIZES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Ladder:
    """Sizes and errors of R runs. `values` are per example, and their mean is a run's log error."""

    sizes: np.ndarray  # (R,) N
    log_errors: np.ndarray  # (R,)
    values: np.ndarray  # (R, G) l; (R, 0) of results without examples
    churn: np.ndarray  # (R,) E of each run's size: seed x example

    @property
    def x(self) -> np.ndarray:
        """log N, (R,)."""
        return np.log(self.sizes)

    @property
    def steps(self) -> np.ndarray:
        """The different sizes, ascending."""
        return np.unique(self.sizes)

    def without(self, size: float) -> Ladder:
        """Return the runs of all other sizes."""
        kept = self.sizes != size
        return Ladder(
            sizes=self.sizes[kept], log_errors=self.log_errors[kept], values=self.values[kept], churn=self.churn[kept]
        )


def ladder(sizes: np.ndarray, errors: np.ndarray, *, groups: Iterable[Hashable] | np.ndarray | None = None) -> Ladder:
    """Return the runs of a family: sizes (R,), and errors per example (R, n) or per run (R,).

    The errors are those of a mean: wrong or not, squared errors, losses. Per example
    `l[r,i] = log err_r + (error[r,i] - err_r)/err_r`, and groups of examples count as one.

    Raises ValueError for fewer than three sizes or four runs, and for a run without any error.
    """
    found, rows = np.asarray(sizes, dtype=np.float64), np.asarray(errors)
    per_run = rows.ndim == 1
    each = checked_results(rows, "A")[:, None] if per_run else checked(rows, "A").astype(np.float64)
    if found.shape != (len(each),) or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"{len(each)} runs need as many positive sizes")
    if len(steps := np.unique(found)) < _FEWEST_SIZES or len(found) < _FEWEST_SIZES + 1:
        raise ValueError(
            f"a fit over sizes needs at least {_FEWEST_SIZES} sizes and {_FEWEST_SIZES + 1} runs. There "
            f"{'is 1 size' if len(steps) == 1 else f'are {len(steps)} sizes'} and {len(found)} "
            f"run{'' if len(found) == 1 else 's'}"
        )
    means = each.mean(1, keepdims=True)
    if not (means > 0).all():
        raise ValueError("a run has no error on any example, and its logarithm is infinite. Omit this size")
    values = np.log(means) + (each - means) / means
    if groups is not None and not per_run:
        values = grouped(values, codes_of(groups, values.shape[1]))
    if per_run:
        values = values[:, :0]
    return Ladder(sizes=found, log_errors=np.log(means[:, 0]), values=values, churn=_churn(found, values))


def combination(runs: Ladder, weights: np.ndarray, variance: float, df: int, target: Target) -> Quantity:
    """Return `sum_r c_r log err_r` with its standard error, from weights c (R,) and the residual variance.

    `SE^2 = variance sum_r c_r^2 + w` and `df (SE^2/SE_residual^2)^2` degrees of freedom. w is the examples' part, and
    the target `test-set` omits it.
    """
    residual = variance * float(weights @ weights)
    square = residual + (spread_over_examples([(runs, weights)]) if target == "examples" else 0.0)
    return quantity(float(weights @ runs.log_errors), square, [(residual, df)])


def spread_over_examples(parts: list[tuple[Ladder, np.ndarray]]) -> float:
    """Return w of a sum of combinations: `max(0, var_i q_i - sum_r c_r^2 E_r) / n`, with `q_i = sum_r c_r l[r,i]`.

    Raises ValueError without examples, or if the ladders have different numbers of them.
    """
    counts = {runs.values.shape[1] for runs, _ in parts}
    if len(counts) > 1 or counts.pop() < 2:
        raise ValueError("the runs have no examples in common. Use the target test-set")
    q = sum((weights @ runs.values for runs, weights in parts), np.zeros(1))
    noise = sum(float(weights**2 @ runs.churn) for runs, weights in parts)
    return max(0.0, float(q.var(ddof=1)) - noise) / len(q)


def quantity(value: float, square: float, residuals: list[tuple[float, int]]) -> Quantity:
    """Return an estimate with variance `square`, of which `residuals` are (part, degrees of freedom)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 1 / sum((np.float64(part) / square) ** 2 / each for part, each in residuals)
    known = square > 0 and not np.isnan(df)
    return Quantity(
        value=value, se=float(np.sqrt(square)) if known else None, df=min(float(df), MOST_DF) if known else None
    )


def _churn(sizes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return E of each run's size: (R,). A size of one run has the mean of the others; 0 if all sizes have one run."""
    if values.shape[1] < 2:
        return np.zeros(len(sizes))
    found = {size: float(interaction(values[at])) for size in np.unique(sizes) if (at := sizes == size).sum() > 1}
    other = float(np.mean([*found.values()])) if found else 0.0
    return np.array([found.get(size, other) for size in sizes])
