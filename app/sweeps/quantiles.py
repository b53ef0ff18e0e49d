"""The values of W&B's distributions at a quantile (github.com/wandb/sweeps, MIT: `params.py`, `ppf`).

A draw is u in (0, 1) for each parameter, and its value is the distribution's quantile function at u.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

_NORMAL = {"mu": 0.0, "sigma": 1.0}
_BETA = {"a": 1, "b": 1}
_Q = {"q": 1.0}


class Form(NamedTuple):
    """The keys of a distribution: those that it needs, and its other ones with their defaults."""

    needs: tuple[str, ...] = ()
    defaults: Mapping[str, float] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys, the required ones first."""
        return (*self.needs, *self.defaults)


_RANGE = ("min", "max")
FORMS: dict[str, Form] = {
    "constant": Form(("value",)),
    "categorical": Form(("values",)),
    "categorical_w_probabilities": Form(("values", "probabilities")),
    "int_uniform": Form(_RANGE),
    "uniform": Form(_RANGE),
    "q_uniform": Form(_RANGE, _Q),
    "log_uniform": Form(_RANGE),  # min and max are exponents of e
    "log_uniform_values": Form(_RANGE),
    "q_log_uniform": Form(_RANGE, _Q),
    "q_log_uniform_values": Form(_RANGE, _Q),
    "inv_log_uniform": Form(_RANGE),
    "inv_log_uniform_values": Form(_RANGE),
    "normal": Form(defaults=_NORMAL),
    "q_normal": Form(defaults=_NORMAL | _Q),
    "log_normal": Form(defaults=_NORMAL),
    "q_log_normal": Form(defaults=_NORMAL | _Q),
    "beta": Form(defaults=_BETA),
    "q_beta": Form(defaults=_BETA | _Q),
}


def quantile(distribution: str, its: Mapping[str, Any], u: float) -> Any:
    """Return the value of a distribution at u, 0 < u < 1. `its` are the distribution's keys, defaults included.

    A quantised value is round(x / q) q, half to even, and a whole number if q is an int. It may be below `min`.
    """
    if distribution == "constant":
        return its["value"]
    if distribution == "categorical":
        return its["values"][_index(len(its["values"]), u)]
    if distribution == "categorical_w_probabilities":
        return its["values"][_weighted(its["probabilities"], u)]
    if distribution == "int_uniform":
        return its["min"] + _index(its["max"] - its["min"] + 1, u)
    if distribution.startswith("q_"):
        return _quantised(_CONTINUOUS[distribution.removeprefix("q_")](its, u), its["q"])
    return _CONTINUOUS[distribution](its, u)


def clean(value: Any, *steps: float) -> Any:
    """Return a float with no more decimals than its steps: 0.045000000000000005 of q = 0.005 is 0.045."""
    return round(value, max(map(_decimals, steps))) if isinstance(value, float) and steps else value


def _decimals(step: float) -> int:
    """Return the decimals of a number as it is written."""
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _quantised(x: float, q: float) -> float | int:
    return round(x / q) * q


def _index(count: int, u: float) -> int:
    """Return the least index i of `count` equally likely ones with (i + 1) / count >= u."""
    at = max(0, math.ceil(u * count) - 1)
    return at - 1 if at and at / count >= u else at


def _weighted(probabilities: Sequence[float], u: float) -> int:
    """Return the first index whose cumulated probability is above u."""
    total = 0.0
    for at, probability in enumerate(probabilities):
        total += probability
        if u < total:
            return at
    return len(probabilities) - 1


def _uniform(low: float, high: float, u: float) -> float:
    return low + u * (high - low)


def _log_uniform_values(its: Mapping[str, Any], u: float) -> float:
    return math.exp(_uniform(math.log(its["min"]), math.log(its["max"]), u))


def _inv_log_uniform_values(its: Mapping[str, Any], u: float) -> float:
    return math.exp(-_uniform(-math.log(its["max"]), -math.log(its["min"]), 1 - u))


def _normal(its: Mapping[str, Any], u: float) -> float:
    from scipy.special import ndtri

    return its["mu"] + its["sigma"] * float(ndtri(u))


def _beta(its: Mapping[str, Any], u: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(its["a"], its["b"], u))


_CONTINUOUS: dict[str, Callable[[Mapping[str, Any], float], float]] = {
    "uniform": lambda its, u: _uniform(its["min"], its["max"], u),
    "log_uniform": lambda its, u: math.exp(_uniform(its["min"], its["max"], u)),
    "log_uniform_values": _log_uniform_values,
    "inv_log_uniform": lambda its, u: math.exp(-_uniform(its["min"], its["max"], 1 - u)),
    "inv_log_uniform_values": _inv_log_uniform_values,
    "normal": _normal,
    "log_normal": lambda its, u: math.exp(_normal(its, u)),
    "beta": _beta,
}
