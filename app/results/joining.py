"""The tests of all runs of a comparison, joined by row and label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import task
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..errors import InputError
from ..statistics import influence
from . import corrupted, pooled, scores
from .alike import Alike, Search
from .arms import Arm
from .corrupted import Corrupted, Kept
from .metrics import Metric

_FIX = "Run `evaluate --again` to recompute it"


@dataclass(frozen=True, kw_only=True)
class Tested:
    """The test of one run, or of the folds of one repeat, in the order of its rows."""

    run_ids: tuple[str, ...]
    fingerprint: str  # of the split
    rows: np.ndarray  # int64 (n,), ascending
    labels: np.ndarray  # (n,)
    names: np.ndarray | None  # of groups of examples (n,)
    values: np.ndarray  # scores, float64 (n,), such that higher is better
    result: float  # the metric, in its usual direction
    correct: np.ndarray | None  # of a classification, bool (n,)
    mse: float | None  # of a regression
    folds: np.ndarray | None = None  # the fold of each row, int64 (n,)
    tested: int = 0  # rows of the test set, of which `rows` may be a part


@dataclass(frozen=True, kw_only=True)
class Table:
    """The tests of the arms' runs: one per run, or one per repeat of a cross-validation."""

    metric: Metric
    arms: tuple[tuple[Tested, ...], ...]
    same_rows: bool  # False: the runs have different test sets, the same ones in every arm
    alike: tuple[Alike, ...] = ()  # of each set of test rows
    corrupted: Corrupted | None = None  # of a metric of corrupted images

    @property
    def first(self) -> Tested:
        """The first test."""
        return self.arms[0][0]

    @property
    def examples(self) -> int:
        """The number of test examples."""
        return len(self.first.rows)

    @cached_property
    def groups(self) -> np.ndarray | None:
        """The name of each example's group, or None if every example has a separate one."""
        names = self.first.names
        return names if names is not None and len(np.unique(names)) < len(names) else None

    @cached_property
    def units(self) -> np.ndarray | None:
        """The groups that count as one example each: those of `groups`, or the blocks of a jackknife."""
        return _blocks(self.first.names, self.examples) if self.metric.blocks else self.groups

    def scores(self, arm: int) -> np.ndarray:
        """Return the scores of an arm: (runs, n)."""
        return np.stack([each.values for each in self.arms[arm]])

    def results(self, arm: int) -> np.ndarray:
        """Return the results of an arm's runs, such that higher is better: (runs,)."""
        return self.metric.sign * np.array([each.result for each in self.arms[arm]])

    def folds(self, a: int, b: int) -> np.ndarray:
        """Return the fold of each row in each repeat of two arms: (repeats, n). Raise InputError if they differ."""
        ours, theirs = (np.stack([each.folds for each in self.arms[arm] if each.folds is not None]) for arm in (a, b))
        if ours.shape != theirs.shape or not np.array_equal(ours, theirs):
            raise InputError(
                f"the runs {self.arms[a][0].run_ids[0]} and {self.arms[b][0].run_ids[0]} are folds of different "
                f"partitions ({len(ours)} and {len(theirs)} repeats). Compare the same repeats of the same folds"
            )
        return ours

    def correct(self, arm: int) -> np.ndarray | None:
        """Return which examples each run of an arm gets right, bool (runs, n), or None for a regression."""
        found = [each.correct for each in self.arms[arm]]
        return None if found[0] is None else np.stack([each for each in found if each is not None])


def table(arms: Sequence[Arm], metric: Metric) -> Table:
    """Return the tests of the arms' runs by a metric.

    Raises InputError for runs whose test rows or labels differ, unless every arm has the same several test sets
    equally often, and for predictions that are not numbers; Damaged for a damaged file.
    """
    search = Search()
    more = corrupted.gathered([run for arm in arms for run in arm.runs], metric) if metric.corrupted else None
    found = tuple(tuple(_tests(arm, metric, search, more)) for arm in arms)
    sets = [Counter(map(_key, tests)) for tests in found]
    same = len(set().union(*sets)) == 1
    if not same and (len(sets[0]) == 1 or any({*each} != {*sets[0]} for each in sets)):
        _refuse([each for tests in found for each in tests])
    if any(each != sets[0] for each in sets) and not same:
        raise InputError(
            f"the runs have {len(sets[0])} test sets, and the models were not tested on each of them equally often, so "
            "that one may have had easier sets. Name runs of the same splits for each model"
        )
    return Table(metric=metric, arms=found, same_rows=same, alike=tuple(search.all), corrupted=more)


def _tests(arm: Arm, metric: Metric, search: Search, more: Corrupted | None) -> Iterator[Tested]:
    if arm.of_folds:
        for repeat, each in pooled.joined(arm.runs).items():
            members = [run for run in arm.runs if run.config.repeat == repeat]
            yield _tested(members, each.predictions, metric, search, folds=each.folds, more=more)
        return
    for run in arm.runs:
        run.require_whole("predictions", fix=_FIX)
        yield _tested([run], Predictions.load(run.files.predictions), metric, search, more=more)


def _tested(
    runs: Sequence[Run], found: Predictions, metric: Metric, search: Search, *, folds: np.ndarray | None = None,
    more: Corrupted | None = None,
) -> Tested:  # fmt: skip
    ids = tuple(run.record.run_id for run in runs)
    found, folds = _sorted(found, folds)
    _require_numbers(ids[0], found)
    tested, kept = len(found.rows), None
    if more:
        kept = more.of(runs)
        at = _places(ids[0], found, kept)
        found, folds = found.in_order(at), None if folds is None else folds[at]
    names = search.of(runs[0], found).groups
    values, result = _values(ids[0], found, metric, names, more, kept)
    classes = found.task is task.classes
    return Tested(
        run_ids=ids, fingerprint=runs[0].record.data.split_fingerprint, rows=found.rows, labels=found.labels,
        names=names, values=values, result=result, correct=scores.correct(found) if classes else None,
        mse=None if classes else float(scores.squared_errors(found).mean()), folds=folds, tested=tested,
    )  # fmt: skip


def _values(
    run_id: str, found: Predictions, metric: Metric, names: np.ndarray | None, more: Corrupted | None,
    kept: Kept | None,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Return the scores of a run, such that higher is better, and its result in the metric's usual direction."""
    if more and kept:
        values = corrupted.scores(kept, metric, more.names)
        return values, float(values.mean())
    try:
        values, result = scores.values_of(found, metric, _blocks(names, len(found.rows)))
    except ValueError as error:
        raise InputError(f"--metric {metric.name} of run {run_id}: {error}. Use another metric") from None
    if not np.isfinite(values).all():
        raise InputError(f"--metric {metric.name} of run {run_id} is not finite. Use another metric")
    return values, result


def _places(run_id: str, found: Predictions, kept: Kept) -> np.ndarray:
    """Return the places of the corrupted rows among the rows of a test. Raise InputError if they do not fit."""
    at = np.searchsorted(found.rows, kept.rows).clip(max=len(found.rows) - 1)
    if not np.array_equal(found.rows[at], kept.rows) or not np.array_equal(found.labels[at], kept.labels):
        raise InputError(
            f"the predictions on corrupted images of run {run_id} are for other rows or labels than its test. Delete "
            f"its _robust.parquet, and run `robust {run_id}` again"
        )
    return at


def _sorted(found: Predictions, folds: np.ndarray | None) -> tuple[Predictions, np.ndarray | None]:
    """Return predictions, and the folds of their rows, in the order of the rows."""
    if (np.diff(found.rows) > 0).all():
        return found, folds
    order = np.argsort(found.rows, kind="stable")
    return found.in_order(order), None if folds is None else folds[order]


def _blocks(names: np.ndarray | None, n: int) -> np.ndarray:
    """Return the block of each example for a jackknife, which leaves out complete groups."""
    return influence.blocks_of(n if names is None else names)


def _require_numbers(run_id: str, found: Predictions) -> None:
    """Raise InputError for outputs that are NaN, for a row that is there twice, and for no rows."""
    if not len(found.rows):
        raise InputError(f"run {run_id} has no predictions. Run `evaluate {run_id} --again`")
    for what, odd in (("NaN", np.isnan(found.logits)), ("an infinite value", _infinite(found))):
        if rows := int(odd.any(1).sum()):
            raise InputError(
                f"run {run_id} predicts {what} for {rows:,} of {len(found.rows):,} test rows. Omit this run"
            )
    if len(twice := found.rows[1:][np.diff(found.rows) == 0]):
        raise InputError(f"run {run_id} predicts row {twice[0]} twice. Run `evaluate {run_id} --again`")


def _infinite(found: Predictions) -> np.ndarray:
    """Return which outputs are infinite. A logit of -inf is a probability of 0."""
    return np.isinf(found.logits) if found.task is task.values else np.isposinf(found.logits)


def _key(tested: Tested) -> tuple[bytes, bytes]:
    return tested.rows.tobytes(), tested.labels.tobytes()


def _refuse(tests: Sequence[Tested]) -> None:
    """Raise InputError that names two runs with different test rows or labels, and their splits."""
    one = tests[0]
    other = next(each for each in tests if _key(each) != _key(one))
    splits = f"run {one.run_ids[0]} (split {one.fingerprint}) and run {other.run_ids[0]} (split {other.fingerprint}) "
    if not np.array_equal(one.rows, other.rows):
        shared = len(np.intersect1d(one.rows, other.rows))
        counts = f"{len(one.rows):,} and {len(other.rows):,} rows, of which {shared:,} are the same"
        raise InputError(
            f"{splits}are not comparable: they have different test rows ({counts}). Train both on the same data with "
            "the same settings of the splits"
        )
    row = one.rows[one.labels != other.labels][0]
    raise InputError(
        f"{splits}are not comparable: the label of row {row} differs. Train both on the same version of the data"
    )
