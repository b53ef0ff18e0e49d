"""Scaling fits with a floor: `err = a (N/N0)^-b + c`, by least squares of log errors over all runs.

Three sizes cannot tell a floor from a smaller exponent. A fit needs four sizes over a factor of ten.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .crossed import Target
from .ladders import Ladder, combination
from .slopes import leave_one_size_out, line_through
from .student import Quantity

_FEWEST_SIZES, _SPAN = 4, 10.0
_EXPONENTS = (0.03, 0.1, 0.3, 1.0)  # starts, crossed with
_SHARES = (0.03, 0.3, 3.0)  # of floor and power law at N0
_STEPS, _CONVERGED = 200, 1e-9
_MOST_EXPONENT = 20.0
_LOG_SHARE = 14.0  # |log(c/a)| at most


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The fit with a floor; all three parameters are at least 0."""

    runs: Ladder
    target: Target
    a: float  # error above the floor at N0
    b: Quantity  # the exponent
    c: Quantity  # the floor
    n0: float  # geometric mean of the runs' sizes

    def log_error(self, size: float) -> Quantity:
        """Return the curve's log error at a size, with its standard error by the delta method (runs - 3 df).

        The weights of the runs are the curve's derivatives by log a, b and c, times those of the parameters.
        """
        x = np.array([math.log(size / self.n0)])
        parameters = (self.a, self.b.value, self.c.value)
        value = math.log(self.a * math.exp(-self.b.value * float(x[0])) + self.c.value)
        weights = _parameter_weights(self.runs, parameters)
        if weights is None:
            return Quantity(value=value, se=None, df=None)
        df = len(self.runs.sizes) - 3
        found = combination(
            self.runs, _derivatives(x, parameters)[0] @ weights, _residual_square(self.runs, parameters) / df, df,
            self.target,
        )  # fmt: skip
        return replace(found, value=value)

    @property
    def predicts_better(self) -> bool:
        """Whether sizes that are left out are predicted better with the floor than by the line."""
        line, curve = (leave_one_size_out(self.runs, fitted) for fitted in (line_through, curve_through))
        return math.hypot(*curve.values()) < math.hypot(*line.values())


def floor(runs: Ladder, *, target: Target = "examples") -> Floor:
    """Return the fit with a floor, with Wald intervals of the exponent and of the floor (runs - 3 df).

    Raises ValueError for fewer than four sizes, for sizes within a factor of ten, and for too few runs.
    """
    steps, df = runs.steps, len(runs.sizes) - 3
    if len(steps) < _FEWEST_SIZES or steps[-1] < _SPAN * steps[0]:
        raise ValueError(
            f"a floor needs at least {_FEWEST_SIZES} sizes over a factor of {_SPAN:g}. There are {len(steps)} sizes "
            f"over a factor of {steps[-1] / steps[0]:.3g}. Use the local slope"
        )
    x = runs.x - runs.x.mean()
    a, b, c = _fitted(x, runs.log_errors)
    found = _wald(runs, (a, b, c), df, target)
    return Floor(runs=runs, target=target, a=a, b=found[0], c=found[1], n0=float(np.exp(runs.x.mean())))


def curve_through(runs: Ladder) -> Callable[[float], float]:
    """Return the fit with a floor as a function from a size to a log error."""
    centre = float(runs.x.mean())
    a, b, c = _fitted(runs.x - centre, runs.log_errors)
    return lambda size: math.log(a * math.exp(-b * (math.log(size) - centre)) + c)


def _wald(runs: Ladder, parameters: tuple[float, float, float], df: int, target: Target) -> list[Quantity]:
    """Return b and c with their standard errors, by the derivatives of the log errors."""
    weights, values = _parameter_weights(runs, parameters), parameters[1:]
    if weights is None:
        return [Quantity(value=value, se=None, df=None) for value in values]
    variance = _residual_square(runs, parameters) / df
    found = [combination(runs, each, variance, df, target) for each in weights[1:]]
    return [replace(each, value=value) for each, value in zip(found, values, strict=True)]


def _parameter_weights(runs: Ladder, parameters: tuple[float, float, float]) -> np.ndarray | None:
    """Return the weights of the runs' log errors in log a, b and c: (3, R). None if the runs do not determine them."""
    jacobian = _derivatives(runs.x - runs.x.mean(), parameters)
    if np.linalg.matrix_rank(jacobian / np.linalg.norm(jacobian, axis=0)) < jacobian.shape[1]:  # b = 0: a or c
        return None
    return np.asarray(np.linalg.pinv(jacobian))


def _derivatives(x: np.ndarray, parameters: tuple[float, float, float]) -> np.ndarray:
    """Return the derivatives of the curve's log error at x = log(N/N0) by log a, b and c: (R, 3)."""
    a, b, c = parameters
    power = a * np.exp(-b * x)
    return np.stack([power, -x * power, np.ones_like(x)], axis=1) / (power + c)[:, None]


def _residual_square(runs: Ladder, parameters: tuple[float, float, float]) -> float:
    """Return the sum of the curve's squared residuals."""
    a, b, c = parameters
    rest = runs.log_errors - np.log(a * np.exp(-b * (runs.x - runs.x.mean())) + c)
    return float(rest @ rest)


def _fitted(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return a, b and c of the least squares of y - log(a exp(-b x) + c), from a grid of starts (Levenberg 1944).

    log a is an offset and needs no search. The search is over b and s = log(c/a), both within bounds.
    """
    found = np.array([(b, math.log(share)) for b in _EXPONENTS for share in _SHARES])  # (S, 2)
    damping, (rest, jacobian) = np.full(len(found), 1e-2), _residuals(x, y, found)
    for _ in range(_STEPS):
        square = (rest**2).sum(1)
        gram = np.einsum("sri,srj->sij", jacobian, jacobian)
        gram[:, [0, 1], [0, 1]] *= 1 + damping[:, None]
        gram[:, [0, 1], [0, 1]] += 1e-12
        step = np.linalg.solve(gram, np.einsum("sri,sr->si", jacobian, rest)[..., None])[..., 0]
        tried = np.clip(found + step, (0, -_LOG_SHARE), (_MOST_EXPONENT, _LOG_SHARE))
        rest_tried, jacobian_tried = _residuals(x, y, tried)
        gain = square - (rest_tried**2).sum(1)
        better = gain > 0
        found[better], rest[better], jacobian[better] = tried[better], rest_tried[better], jacobian_tried[better]
        damping = np.where(better, damping / 3, damping * 4)
        if (np.abs(gain) <= _CONVERGED * square).all():
            break
    squares = (rest**2).sum(1)
    slope, level = np.polyfit(x, y, 1)
    if slope <= 0 and ((y - level - slope * x) ** 2).sum() <= squares.min():  # no floor
        return math.exp(level), -float(slope), 0.0
    b, s = found[int(squares.argmin())]
    a = math.exp(float((y - np.log(np.exp(-b * x) + np.exp(s))).mean()))
    return a, float(b), a * math.exp(s)


def _residuals(x: np.ndarray, y: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centred residuals (S, R) and their negative derivatives by b and s (S, R, 2)."""
    b, share = parameters[:, :1], np.exp(parameters[:, 1:])
    power = np.exp(-b * x)
    rest = y - np.log(power + share)
    jacobian = np.stack([-x * power, np.broadcast_to(share, power.shape)], axis=-1) / (power + share)[..., None]
    return rest - rest.mean(1, keepdims=True), jacobian - jacobian.mean(1, keepdims=True)
