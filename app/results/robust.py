"""How a run's test result changes with corrupted inputs: accuracy or RMSE by corruption and severity, means, mCE.

Definitions: Hendrycks and Dietterich 2019, arXiv:1903.12261, section 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..artifacts.robust_rows import Outcome, Pair
from ..errors import InputError
from ..statistics import influence, rates, student
from ..statistics.grouping import codes_of, grouped
from ..tables.corruptions import CORRUPTIONS, SEVERITIES, primary_of

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Mean:
    """A mean over corruptions and severities, with its 95 % interval over test rows. One model has one seed."""

    corruptions: int
    value: float
    interval: Interval

    def to_json(self, metric: str) -> dict[str, Any]:
        """Return the JSON object."""
        return {"corruptions": self.corruptions, metric: self.value, f"{metric}_interval": self.interval}


@dataclass(frozen=True)
class Robustness:
    """The results of one run. `values` are by corruption, then by severity.

    `groups` is the number of groups of rows that the intervals treat as one: patients, or frames of a simulation.
    """

    metric: str  # top1 | rmse
    n: int
    groups: int | None
    clean: float
    clean_interval: Interval
    values: dict[str, dict[int, float]]
    means: dict[str, Mean]  # benchmark | primary | histology | all, of those whose five severities are there

    def errors(self, name: str) -> float | None:
        """Return the sum of a corruption's errors over five severities, or None if one is missing."""
        found = self.values.get(name, {})
        return sum(self.error(value) for value in found.values()) if len(found) == len(SEVERITIES) else None

    def error(self, value: float) -> float:
        """Return the error of a value: 1 - accuracy, or the RMSE."""
        return 1 - value if self.metric == "top1" else value

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        values = {name: {str(key): value for key, value in found.items()} for name, found in self.values.items()}
        clean = {"clean": self.clean, "clean_interval": self.clean_interval}
        means = {name: mean.to_json(self.metric) for name, mean in self.means.items()}
        return {
            "metric": self.metric,
            "n": self.n,
            "groups": self.groups,
            **clean,
            "corruptions": values,
            "means": means,
        }


def robustness(clean: Outcome, pairs: Mapping[Pair, Outcome], units: np.ndarray | None = None) -> Robustness:
    """Return the results of a run from its outcomes, which are for the same rows.

    `units` (n,) name the group of each row, for intervals over groups.
    """
    values: dict[str, dict[int, float]] = {}
    scores: dict[str, list[np.ndarray]] = {}
    for pair, found in sorted(pairs.items(), key=lambda item: (_place(item[0].corruption), item[0].severity)):
        values.setdefault(pair.corruption, {})[pair.severity] = found.value
        scores.setdefault(pair.corruption, []).append(_scores(found))
    codes = None if units is None else codes_of(units.tolist(), len(clean.rows))
    shares = clean.ranks is not None
    means = {name: _mean(members, values, scores, codes, shares=shares) for name, members in _sets(values).items()}
    return Robustness(
        metric="top1" if shares else "rmse", n=len(clean.rows),
        groups=None if codes is None else int(codes.max()) + 1, clean=clean.value,
        clean_interval=_interval(_scores(clean), codes, shares=shares), values=values, means=means,
    )  # fmt: skip


def require_one_test_set(reference: Outcome, others: Iterable[Outcome]) -> None:
    """Raise InputError unless the outcomes are for the same rows with the same labels."""
    for other in others:
        if not (np.array_equal(reference.rows, other.rows) and np.array_equal(reference.labels, other.labels)):
            raise InputError("the runs were tested on other rows than the run of --like, and an mCE needs one test set")


def _sets(values: Mapping[str, Mapping[int, float]]) -> dict[str, list[str]]:
    """Return the corruptions of each set that a mean is over: those with five severities. Sets do not repeat."""
    complete = [name for name, found in values.items() if len(found) == len(SEVERITIES)]
    first = primary_of(CORRUPTIONS[complete[0]].kind) if complete else ()
    sets = {"primary": [name for name in complete if name in first] if {*first} <= {*complete} else []}
    sets |= {of: [name for name in complete if CORRUPTIONS[name].set == of] for of in ("benchmark", "histology")}
    sets["all"] = complete
    found: dict[str, list[str]] = {}
    for name, members in sets.items():
        if members and members not in found.values():
            found[name] = members
    order = ("benchmark", "primary", "histology", "all")
    return {name: found[name] for name in order if name in found}


def _place(name: str) -> int:
    return [*CORRUPTIONS].index(name)


def _squares(found: Outcome) -> np.ndarray:
    return (found.predicted.astype(np.float64) - found.labels) ** 2


def _scores(found: Outcome) -> np.ndarray:
    """Return a number per row whose mean is the value: float64 (n,). Of an RMSE they are its influence values."""
    if found.ranks is not None:
        return (found.ranks == 0).astype(np.float64)
    return np.asarray(influence.rmse_values(_squares(found)[None])[0])


def _mean(
    names: list[str],
    values: Mapping[str, dict[int, float]],
    scores: Mapping[str, list[np.ndarray]],
    codes: np.ndarray | None,
    *,
    shares: bool,
) -> Mean:
    of_rows = np.mean([score for name in names for score in scores[name]], axis=0)
    value = float(np.mean([v for name in names for v in values[name].values()]))
    return Mean(len(names), value, _interval(of_rows, codes, shares=shares))


def _interval(of_rows: np.ndarray, codes: np.ndarray | None, *, shares: bool) -> Interval:
    """Return the 95 % interval of a mean over rows, or over groups of rows, or None for one of them.

    That of shares is a Wilson interval, and any other a t interval.
    """
    units = of_rows if codes is None else grouped(of_rows, codes)
    count = len(units)
    if count < 2:
        return None
    if shares:
        return rates.wilson_of_mean(units, clustered=codes is not None)
    found = student.interval(float(of_rows.mean()), float(units.std(ddof=1) / math.sqrt(count)), count - 1)
    return found and (max(0.0, found[0]), found[1])


def against(found: Robustness, reference: Robustness) -> dict[str, Any]:
    """Return the corruption errors CE_c against a reference run, and the mean corruption errors, as fractions.

    CE_c = sum_s E(s, c) / sum_s E_ref(s, c), and the relative one with E - E_clean in both sums. mCE is the mean over
    the corruptions of the benchmark that both runs have. A sum of the reference that is not above 0 gives None.
    """
    shared = [
        name for name in found.values
        if CORRUPTIONS[name].set == "benchmark" and found.errors(name) is not None
        and reference.errors(name) is not None
    ]  # fmt: skip
    plain, relative = {}, {}
    for name in shared:
        ours, theirs = found.errors(name) or 0.0, reference.errors(name) or 0.0
        plain[name] = _ratio(ours, theirs)
        ours -= len(SEVERITIES) * found.error(found.clean)
        relative[name] = _ratio(ours, theirs - len(SEVERITIES) * reference.error(reference.clean))
    return {
        "corruptions": len(shared), "ce": plain, "mce": _average(plain), "relative_ce": relative,
        "relative_mce": _average(relative),
    }  # fmt: skip


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 else None


def _average(found: Mapping[str, float | None]) -> float | None:
    values = [value for value in found.values() if value is not None]
    return sum(values) / len(values) if values and len(values) == len(found) else None
