"""A metric of several architectures at several sizes: each with its interval, and the differences from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..artifacts.runs import Run
from ..errors import Damaged, InputError
from ..statistics.crossed import Estimate, crossed, welch
from . import joining
from .abscissa import PARAMETERS, Abscissa
from .arms import Arm
from .landmarks import Landmark, landmarks
from .metrics import Metric

Interval = tuple[float, float]
Basis = Literal["examples", "runs", "folds"]
_CONSTANT = 3  # runs of an arm whose scores are all 0, against which an interval of one arm is that of a difference
_ONE_SIZE = 0.05  # relative difference of parameters, at most
_IN_RECORDS = {"top1": ("top1", "top1_interval"), "rmse": ("rmse", "rmse_interval")}


@dataclass(frozen=True, kw_only=True)
class Mean:
    """One architecture at one size: the result of each run in the metric's usual direction, their mean, its interval.

    The 95 % interval is over new seeds and, with the basis `examples`, over new test examples. A single run has the
    interval of its record, over examples.
    """

    architecture: str
    size: str
    parameters: int
    x: float  # on the horizontal axis
    run_ids: tuple[str, ...]
    results: tuple[float, ...]
    interval: Interval | None

    @property
    def value(self) -> float:
        """The mean over the runs."""
        return float(np.mean(self.results))


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The result of an architecture minus that of the first one at the same size, with its 95 % interval.

    Architectures of which each has one size are compared at their sizes, which may differ.
    """

    architecture: str
    minus: str
    size: str
    parameters: int
    minus_parameters: int
    x: float
    difference: float
    interval: Interval | None

    @property
    def of_one_size(self) -> bool:
        """Whether both have the same parameters, up to 5 % as for every size: else the difference is also of sizes."""
        return abs(self.parameters - self.minus_parameters) <= _ONE_SIZE * self.minus_parameters


@dataclass(frozen=True, kw_only=True)
class BySize:
    """The means of all architectures, and the differences from the first architecture at the sizes that they share.

    `basis` says what the intervals of several runs cover: new seeds and examples, new seeds only (if predictions are
    missing or test sets differ, for the reason in `because`), or nothing, if the runs are folds.
    """

    metric: Metric
    basis: Basis
    because: str
    means: tuple[Mean, ...]
    gaps: tuple[Gap, ...]
    groups: int | None = None  # of test examples, if they are in groups
    along: Abscissa = PARAMETERS  # the horizontal axis
    landmarks: tuple[Landmark, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        means = [{"architecture": each.architecture, "size": each.size, "parameters": each.parameters,
                  "x": each.x, "run_ids": [*each.run_ids], "results": [*each.results], "mean": each.value,
                  "interval": each.interval and [*each.interval]} for each in self.means]  # fmt: skip
        gaps = [{"architecture": each.architecture, "minus": each.minus, "size": each.size,
                 "parameters": each.parameters, "minus_parameters": each.minus_parameters,
                 "x": each.x, "difference": each.difference, "interval": each.interval and [*each.interval]}
                for each in self.gaps]  # fmt: skip
        return {
            "metric": self.metric.name, "basis": self.basis, "x": self.along.name, "means": means, "differences": gaps,
            "landmarks": [each.to_json() for each in self.landmarks],
        }  # fmt: skip


def by_size(arms: Sequence[Arm], metric: Metric, along: Abscissa = PARAMETERS) -> BySize:
    """Return means and differences of tested runs, with one arm per architecture and size, the first ones first.

    Architectures of which each has one size are compared whatever their sizes. `along` is the horizontal axis. With the
    predictions of all runs the intervals are those of `statistics.crossed`, without them Welch's over runs.
    Raises InputError for a metric that only predictions have, for predictions that are not numbers, and for runs
    without the quantity of the axis.
    """
    places = [along.of(arm) for arm in arms]
    basis, because, table = joined(arms, metric)
    means = [_mean(arm, metric, at, table, places[at]) for at, arm in enumerate(arms)]
    first = arms[0].title
    alone = len({arm.title for arm in arms}) == len(arms)
    sizes = ["" if alone else arm.config.size for arm in arms]
    reference = {sizes[at]: at for at, arm in enumerate(arms) if arm.title == first}
    gaps = [
        _gap(means, (at, reference[sizes[at]]), metric, basis, table)
        for at, arm in enumerate(arms) if arm.title != first and sizes[at] in reference
    ]  # fmt: skip
    groups = None if table is None or table.groups is None else len(np.unique(table.groups))
    return BySize(
        metric=metric, basis=basis, because=because, means=tuple(means), gaps=tuple(gaps), groups=groups, along=along,
        landmarks=landmarks(arms, metric),
    )  # fmt: skip


def joined(arms: Sequence[Arm], metric: Metric) -> tuple[Basis, str, joining.Table | None]:
    """Return what intervals can cover, the reason if it is not both, and the table of scores if there is one."""
    runs = [run for arm in arms for run in arm.runs]
    if any(arm.of_folds for arm in arms):
        return "folds", "the runs are folds of a cross-validation", None
    if any(not run.files.predictions.exists() for run in runs):
        return _over_runs(metric, "the predictions of some runs are not on this machine")
    try:
        table = joining.table(arms, metric)
    except Damaged:
        raise
    except InputError:
        return _over_runs(metric, "the predictions cannot be joined example by example")
    return ("examples", "", table) if table.same_rows else _over_runs(metric, "the runs have different test sets")


def _over_runs(metric: Metric, because: str) -> tuple[Basis, str, None]:
    if metric.name not in _IN_RECORDS:
        raise InputError(
            f"--metric {metric.name} needs the predictions of all runs on one test set, but {because}. Use one of "
            f"{', '.join(_IN_RECORDS)}"
        )
    return "runs", because, None


def _mean(arm: Arm, metric: Metric, at: int, table: joining.Table | None, x: float) -> Mean:
    if table is None:
        results = [_recorded(run, metric) for run in arm.runs]
    else:
        results = [float(value) for value in metric.sign * table.results(at)]
    return Mean(
        architecture=arm.title, size=arm.config.size, parameters=arm.runs[0].record.parameters.total, x=x,
        run_ids=arm.run_ids, results=tuple(results), interval=_interval(arm, metric, at, table, results),
    )  # fmt: skip


def _interval(
    arm: Arm, metric: Metric, at: int, table: joining.Table | None, results: Sequence[float]
) -> Interval | None:
    if len(arm.runs) == 1:
        recorded = _IN_RECORDS.get(metric.name)
        found = getattr(arm.runs[0].record.test, recorded[1], None) if recorded else None
        return (float(found[0]), float(found[1])) if found else None
    if arm.of_folds:
        return None
    if table is None:
        zero = np.zeros(_CONSTANT)
        return _directed(welch(metric.sign * np.array(results), zero), metric)
    scores = table.scores(at)
    zeros = np.zeros((_CONSTANT, scores.shape[1]))
    return _directed(crossed(scores, zeros, groups=table.units), metric)


def _recorded(run: Run, metric: Metric) -> float:
    return float(getattr(run.record.test, _IN_RECORDS[metric.name][0]))


def _gap(
    means: Sequence[Mean], places: tuple[int, int], metric: Metric, basis: Basis, table: joining.Table | None
) -> Gap:
    """Return the difference of two means, the first minus the second."""
    one, other = (means[place] for place in places)
    if table is not None:
        a, b = (table.scores(place) for place in places)
        estimate = crossed(a, b, groups=table.units)
    else:
        estimate = welch(*(metric.sign * np.array(means[place].results) for place in places))
    return Gap(
        architecture=one.architecture, minus=other.architecture, size=one.size, parameters=one.parameters,
        minus_parameters=other.parameters, x=one.x, difference=one.value - other.value,
        interval=None if basis == "folds" else _directed(estimate, metric),
    )  # fmt: skip


def _directed(estimate: Estimate, metric: Metric) -> Interval | None:
    """Return an interval of oriented scores in the metric's usual direction."""
    found = estimate.interval()
    if found is None:
        return None
    low, high = sorted(metric.sign * end for end in found)
    return low, high
