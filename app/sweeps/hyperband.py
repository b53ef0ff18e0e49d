"""W&B's early termination: hyperband's bands over the curves of all runs (github.com/wandb/sweeps, MIT).

Its source is `hyperband_stopping.py`, after arXiv:1603.06560. A curve has the metric of each epoch. Smaller is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import InputError
from ..tables.names import suggestion
from ..tables.ranges import MOST

_MOST_BANDS = 100
_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


class Hyperband(msgspec.Struct, kw_only=True, frozen=True):
    """The rule of one sweep: at which epochs runs are compared, the share that continues, and what is compared."""

    bands: tuple[int, ...]  # epochs, the first one first
    eta: float
    strict: bool  # whether the value at the band is compared, or else the best one so far

    def thresholds(self, curves: Sequence[Sequence[float]]) -> list[float]:
        """Return the threshold of each band: the floor(n / eta)-th smallest, from 0, of n runs' values there."""
        found = []
        for band in self.bands:
            values = sorted(curve[band - 1] for curve in curves if len(curve) >= band)
            found.append(values[int(len(values) * (1 / self.eta))] if values else math.inf)
        return found

    def decision(self, curve: Sequence[float], others: Sequence[Sequence[float]]) -> Decision | None:
        """Return how a running run with this curve compares at its last band, or None before the first one.

        `others` are the curves of all other runs of the sweep, finished, pruned and running ones.
        """
        reached = [at for at, band in enumerate(self.bands) if band <= len(curve)]
        if not reached:
            return None
        band = self.bands[reached[-1]]
        threshold = self.thresholds([curve, *others])[reached[-1]]
        return Decision(band, curve[band - 1] if self.strict else min(curve), threshold)


class Decision(msgspec.Struct, frozen=True):
    """The comparison of one run at a band, in values of which smaller ones are better."""

    band: int
    value: float
    threshold: float

    @property
    def stops(self) -> bool:
        """Whether the run is to stop."""
        return self.value > self.threshold


def of_mapping(given: Any) -> Hyperband:
    """Return the rule of a file's `early_terminate`. Raises InputError."""
    if not isinstance(given, Mapping) or given.get("type") != "hyperband":
        raise InputError("early_terminate has no known type. Write `type: hyperband`, with min_iter or max_iter")
    for key in given:
        if key not in _KEYS:
            raise InputError(f"early_terminate has no key {key!r}. {suggestion(str(key), list(_KEYS))}")
    eta, strict = given.get("eta", 3), given.get("strict", True)
    if isinstance(eta, bool) or not isinstance(eta, int | float) or not 1 < eta < math.inf:
        raise InputError(f"early_terminate: eta is {eta!r}. Use a number above 1, such as 3")
    if not isinstance(strict, bool):
        raise InputError(f"early_terminate: strict is {strict!r}. Use true or false")
    bands = _from_max(given, eta) if "max_iter" in given else _from_min(given, eta)
    if not bands:
        raise InputError("early_terminate has no band at an epoch of 1 or more. Use a larger max_iter or s")
    return Hyperband(bands=bands, eta=eta, strict=strict)


def _from_max(given: Mapping[str, Any], eta: float) -> tuple[int, ...]:
    """Return the bands max_iter / eta, max_iter / eta^2, ..., `s` of them, while they are at least 1."""
    band, count = float(_whole(given, "max_iter")), _whole(given, "s")
    found: list[int] = []
    while len(found) < count and (band := band / eta) >= 1:
        found.append(int(band))
    return tuple(sorted(found))


def _from_min(given: Mapping[str, Any], eta: float) -> tuple[int, ...]:
    """Return the bands min_iter, min_iter eta, min_iter eta^2, ... up to an epoch that no run has."""
    if "min_iter" not in given:
        raise InputError("early_terminate needs min_iter, or max_iter and s. Add one of them")
    band: float = _whole(given, "min_iter")
    found: list[int] = []
    while len(found) < _MOST_BANDS and band <= MOST:
        found.append(int(band))
        band *= eta
    return tuple(found)


def _whole(given: Mapping[str, Any], key: str) -> int:
    value = given.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer() or value < 1:
        raise InputError(f"early_terminate: {key} is {value!r}. Use a whole number of at least 1")
    return int(value)
