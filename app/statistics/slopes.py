"""Scaling fits: lines through log error over log size, their exponents, and the comparison of two families."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from .crossed import Target
from .ladders import Ladder, combination, quantity, spread_over_examples
from .student import Quantity


@dataclass(frozen=True, kw_only=True)
class Line:
    """`log err = log a - b log(N/N0)`, with N0 the geometric mean of the runs' sizes."""

    runs: Ladder
    target: Target
    b: Quantity  # the exponent
    log_a: Quantity  # log error at N0
    n0: float
    variance: float  # of the residuals

    def log_error(self, size: float) -> Quantity:
        """Return the line's log error at a size, with its standard error."""
        return combination(
            self.runs, _weights_at(self.runs.x, math.log(size)), self.variance, len(self.runs.x) - 2, self.target
        )


@dataclass(frozen=True, kw_only=True)
class SlopeDifference:
    """b of A - b of B on one test set, for these examples and for examples like them."""

    examples: Quantity | None  # None of results without examples in common
    test_set: Quantity
    crossing: float | None  # the size at which the lines cross; None unless both intervals exclude parallel lines


def line(runs: Ladder, *, target: Target = "examples") -> Line:
    """Return the least-squares line over all runs.

    The exponent's standard error is that of the residuals with runs - 2 degrees of freedom, plus the examples' part.
    With the sizes of one study, the exponent is a local slope: a floor bends the line. See `floors`.
    """
    x, n = runs.x, len(runs.x)
    variance = _residual_square(runs) / (n - 2)
    b = combination(runs, _slope_weights(x), variance, n - 2, target)
    log_a = combination(runs, np.full(n, 1 / n), variance, n - 2, target)
    return Line(runs=runs, target=target, b=b, log_a=log_a, n0=float(np.exp(x.mean())), variance=variance)


def slope_difference(a: Ladder, b: Ladder, *, level: float = 0.95) -> SlopeDifference:
    """Return the difference of the exponents of two families that were tested on the same examples.

    The residual variances are added, with Welch's degrees of freedom. The examples' part is that of `q_A - q_B`.
    """
    weights = _slope_weights(a.x), -_slope_weights(b.x)
    value = float(weights[0] @ a.log_errors + weights[1] @ b.log_errors)
    residuals = []
    for runs, each in zip((a, b), weights, strict=True):
        df = len(runs.x) - 2
        residuals.append((_residual_square(runs) / df * float(each @ each), df))
    square = sum(part for part, _ in residuals)
    test_set = quantity(value, square, residuals)
    examples = None
    if a.values.shape[1] == b.values.shape[1] > 1:
        part = spread_over_examples([(a, weights[0]), (b, weights[1])])
        examples = quantity(value, square + part, residuals)
    known = [each.interval(level) for each in (test_set, examples) if each is not None]
    apart = all(found is not None and (found[0] > 0 or found[1] < 0) for found in known)
    return SlopeDifference(examples=examples, test_set=test_set, crossing=_crossing(a, b) if apart else None)


def equal_exponents(families: Sequence[Ladder]) -> float:
    """Return the p value of the F test that all families have one exponent, for this test set.

    It has families - 1 and runs - 2 families degrees of freedom. Each family has its error at a common size. Raises
    ValueError for fewer than two families.
    """
    if len(families) < 2:
        raise ValueError("equal exponents need at least two families")
    separate = sum(map(_residual_square, families))
    centred = [(runs.x - runs.x.mean(), runs.log_errors - runs.log_errors.mean()) for runs in families]
    common = sum(float(x @ y) for x, y in centred) / sum(float(x @ x) for x, _ in centred)
    together = sum(float(((y - common * x) ** 2).sum()) for x, y in centred)
    more, df = len(families) - 1, sum(len(runs.x) - 2 for runs in families)
    return float(fdtrc(more, df, (together - separate) / more / (separate / df)))


def leave_one_size_out(runs: Ladder, fitted: Callable[[Ladder], Callable[[float], float]]) -> dict[float, float]:
    """Return, by size, the mean log error of its runs - that predicted by a fit to all other sizes.

    `fitted` gives the function from a size to a log error, such as `line_through`.
    """
    return {
        float(size): float(runs.log_errors[runs.sizes == size].mean()) - fitted(runs.without(size))(float(size))
        for size in runs.steps
    }


def line_through(runs: Ladder) -> Callable[[float], float]:
    """Return the least-squares line as a function from a size to a log error. Two sizes suffice."""
    x, slope = runs.x, float(_slope_weights(runs.x) @ runs.log_errors)
    return lambda size: float(runs.log_errors.mean()) - slope * (math.log(size) - float(x.mean()))


def _slope_weights(x: np.ndarray) -> np.ndarray:
    """Return c with b = sum_r c_r log err_r: (R,)."""
    centred = x - x.mean()
    return -centred / float(centred @ centred)


def _weights_at(x: np.ndarray, at: float) -> np.ndarray:
    """Return c with the line's value at log N = `at`: (R,)."""
    return 1 / len(x) - (at - x.mean()) * _slope_weights(x)


def _residual_square(runs: Ladder) -> float:
    """Return the sum of the line's squared residuals."""
    fitted = line_through(runs)
    predicted = np.array([fitted(float(size)) for size in runs.sizes])
    return float(((runs.log_errors - predicted) ** 2).sum())


def _crossing(a: Ladder, b: Ladder) -> float | None:
    """Return the size at which two lines cross, or None if it is no number."""
    lines = line_through(a), line_through(b)
    gap, slope = lines[0](1.0) - lines[1](1.0), float(_slope_weights(a.x) @ a.log_errors)
    difference = slope - float(_slope_weights(b.x) @ b.log_errors)
    where = gap / difference
    return math.exp(where) if abs(where) < math.log(1e30) else None
