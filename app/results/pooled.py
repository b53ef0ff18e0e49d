"""The test of a k-fold cross-validation: the folds' predictions joined, so that each example is tested once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import task
from ..artifacts import split_rows
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..errors import InputError
from ..statistics.rates import wilson

_APART = ("fold", "repeat")  # the settings in which the runs may differ
_NAMED = 5  # in a message

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Score:
    """The pooled test over n examples: accuracy as a fraction, or RMSE in the target's unit.

    `interval` is the 95 % Wilson interval of an accuracy. Of an RMSE it is the 95 % bootstrap interval, None if all
    rows are of one simulation. `correct` is None of an RMSE, and a mean over several repeats may be no whole number.
    """

    metric: str  # accuracy | rmse
    n: int
    value: float
    interval: Interval | None
    correct: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        interval = None if self.interval is None else list(self.interval)
        counted = {} if self.correct is None else {"correct": self.correct}
        return {"n": self.n, **counted, self.metric: self.value, f"{self.metric}_interval": interval}


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """The tests of all folds of one model, per repeat and over the repeats."""

    folds: int
    run_ids: tuple[str, ...]
    repeats: dict[int, Score]  # by the number of the partition

    @property
    def overall(self) -> Score:
        """The mean over the repeats.

        All repeats test the same n examples, so they do not narrow the interval: it is that of n examples, at the mean
        accuracy. Of an RMSE it is that of the only repeat, and None for several.
        """
        scores = [*self.repeats.values()]
        if len(scores) == 1:
            return scores[0]
        value, n = math.fsum(score.value for score in scores) / len(scores), min(score.n for score in scores)
        if scores[0].correct is None:
            return Score(metric=scores[0].metric, n=n, value=value, interval=None)
        correct = value * n
        return Score(metric=scores[0].metric, n=n, value=value, interval=wilson(correct, n), correct=correct)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        repeats = [{"repeat": repeat} | score.to_json() for repeat, score in self.repeats.items()]
        return {"folds": self.folds, "run_ids": list(self.run_ids), "repeats": repeats} | self.overall.to_json()


class Joined(NamedTuple):
    """The predictions of all folds of a repeat in the order of their rows, and the fold of each row, int64 (n,)."""

    predictions: Predictions
    folds: np.ndarray


def pooled(runs: Sequence[Run]) -> Pooled:
    """Return the test over all folds of finished runs, which may differ in fold and repeat only.

    In each repeat every labelled row is predicted once, by the model that was not trained on it. An accuracy pools as
    one binomial of n examples per repeat. Its Wilson interval ignores that the k models share most of their training
    rows, that one seed trained each of them, and that examples of one group are alike. It is therefore too narrow as a
    statement about the training procedure (Bengio and Grandvalet 2004, JMLR 5, 1089-1105: no estimator of the
    variance of k-fold cross-validation is unbiased).

    Raises InputError for missing folds, rows that are predicted twice or never, and runs that differ otherwise; Damaged
    for files that are.
    """
    found = joined(runs)
    ids = tuple(run.record.run_id for run in _in_order(runs))
    repeats = {repeat: _score(each.predictions) for repeat, each in found.items()}
    return Pooled(folds=runs[0].config.folds or 0, run_ids=ids, repeats=repeats)


def joined(runs: Sequence[Run]) -> dict[int, Joined]:
    """Return the predictions of the folds of finished runs, joined, by the number of the partition.

    Raises InputError and Damaged as `pooled` does.
    """
    _require_alike(runs)
    repeats: dict[int, list[Run]] = {}
    for run in _in_order(runs):
        repeats.setdefault(run.config.repeat, []).append(run)
    for repeat, members in repeats.items():
        _require_folds(repeat, runs[0].config.folds or 0, members)
    found = {repeat: _joined(repeat, members) for repeat, members in repeats.items()}
    predictions = {repeat: each.predictions for repeat, each in found.items()}
    _require_same_examples(predictions, limited=runs[0].config.limited)
    return found


def _in_order(runs: Sequence[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: (run.config.repeat, run.config.fold or 0))


def _require_alike(runs: Sequence[Run]) -> None:
    """Raise InputError unless there are runs, all finished, of folds, that differ in fold and repeat only."""
    if not runs:
        raise InputError("there are no runs to pool. Give the finished runs of all folds")
    first = {name: value for name, value in runs[0].config.to_json().items() if name not in _APART}
    for run in runs:
        run.require_done()
        if run.config.folds is None:
            raise InputError(f"run {run.record.run_id} has no folds. Give runs of train --folds")
        other = run.config.to_json()
        if different := [name for name, value in first.items() if other.get(name) != value]:
            raise InputError(
                f"runs {runs[0].record.run_id} and {run.record.run_id} differ in {different[0]}, and their folds "
                "cannot be pooled. Give runs that differ in fold and repeat only"
            )


def _require_folds(repeat: int, folds: int, runs: Sequence[Run]) -> None:
    """Raise InputError unless a repeat has each fold once."""
    there = [run.config.fold for run in runs]
    if missing := [str(fold) for fold in range(folds) if fold not in there]:
        shown = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        raise InputError(
            f"repeat {repeat} lacks {len(missing)} of {folds} folds (fold {shown}). Train them, or pool other repeats"
        )
    if len(there) != folds:
        twice = next(fold for fold in there if there.count(fold) > 1)
        raise InputError(f"fold {twice} of repeat {repeat} is given twice. Give each run once")


def _joined(repeat: int, runs: Sequence[Run]) -> Joined:
    """Return the predictions of a repeat's folds in the order of their rows, each row once. Raises InputError."""
    parts = []
    for run in runs:
        run.require_whole("predictions", "splits", fix="Run `evaluate --again` to recompute it")
        parts.append(Predictions.load(run.files.predictions))
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")
    found = rows[order]
    if len(twice := found[1:][found[1:] == found[:-1]]):
        folds = [run.config.fold for run, part in zip(runs, parts, strict=True) if twice[0] in part.rows]
        raise InputError(
            f"row {twice[0]} of repeat {repeat} is predicted twice (by the runs of fold {folds[0]} and fold "
            f"{folds[-1]}). Each row belongs to one fold: retrain one of these runs with --fresh"
        )
    _require_all_rows(repeat, runs[0], found)
    of_rows = np.repeat([run.config.fold or 0 for run in runs], [len(part.rows) for part in parts])[order]
    labels, logits, names, groups = (_column(parts, name) for name in ("labels", "logits", "names", "groups"))
    assert labels is not None and logits is not None, "all predictions have them"
    together = Predictions(rows, labels, logits, names, parts[0].task, groups=groups)
    return Joined(together.in_order(order), of_rows)


def _column(parts: Sequence[Predictions], name: str) -> np.ndarray | None:
    """Return a column of all folds' rows, or None unless all folds have it."""
    found = [getattr(part, name) for part in parts]
    return None if any(each is None for each in found) else np.concatenate(found)


def _require_all_rows(repeat: int, run: Run, rows: np.ndarray) -> None:
    """Raise InputError unless the folds' test rows are all rows that any run of the repeat divided."""
    if run.config.limited:
        return
    sources = ["train", "test", *([] if run.record.data.val_from else ["val"])]
    everything = np.sort(split_rows.of(run.files, *sources))
    if not np.array_equal(everything, rows):
        missing, strange = np.setdiff1d(everything, rows), np.setdiff1d(rows, everything)
        what = f"{len(missing):,} rows have no prediction" if len(missing) else f"{len(strange):,} rows are unknown"
        first = (missing if len(missing) else strange)[0]
        raise InputError(
            f"{what} in repeat {repeat} (row {first} is the first). The folds are of different data: retrain them with "
            "--fresh"
        )


def _require_same_examples(joined: dict[int, Predictions], *, limited: bool) -> None:
    """Raise InputError unless all repeats test the same rows with the same labels; trials test some of them."""
    (first, one), *others = joined.items()
    for repeat, other in others:
        if not limited and not np.array_equal(one.rows, other.rows):
            raise InputError(
                f"repeats {first} and {repeat} test different rows ({len(one.rows):,} and {len(other.rows):,}). They "
                "are of different data: retrain one of them with --fresh"
            )
        rows, here, there = np.intersect1d(one.rows, other.rows, assume_unique=True, return_indices=True)
        if len(differ := rows[one.labels[here] != other.labels[there]]):
            raise InputError(
                f"row {differ[0]} has one label in repeat {first} and another in repeat {repeat}. The repeats are of "
                "different data: retrain one of them with --fresh"
            )


def _score(found: Predictions) -> Score:
    """Return the pooled test of one repeat."""
    if found.task is task.values:
        metrics = found.task.metrics(found.labels, found.logits, found.names)
        interval = None if metrics["rmse_interval"] is None else tuple(metrics["rmse_interval"])
        return Score(metric="rmse", n=len(found.rows), value=metrics["rmse"], interval=interval)
    known = ~np.isnan(found.logits).any(1)  # of equal logits the first class counts, as in `scoring.correct_at`
    correct, n = int((known & (found.logits.argmax(1) == found.labels)).sum()), len(found.rows)
    return Score(metric="accuracy", n=n, value=correct / n, interval=wilson(correct, n), correct=correct)
