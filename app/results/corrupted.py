"""What `robust` kept of the runs of a comparison: scores per test row under corruption.

The noise hypothesis is an interaction, `H = (noisy - clean) of A - (noisy - clean) of B`, with noisy the accuracy under
gaussian, shot and impulse noise at severities 1 to 5. These were fixed beforehand; other corruptions are exploratory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..artifacts import robust_rows
from ..artifacts.robust_rows import CLEAN, Outcome, Pair
from ..artifacts.runs import Run
from ..artifacts.which import ALL
from ..config import effects
from ..errors import InputError
from ..tables.corruptions import CORRUPTIONS, PRIMARY, SEVERITIES
from .metrics import Metric

_PUBLISHED = "cifar-c"  # the source of published arrays; all others are corrupted here
_NAMED = 5  # runs in a message
_SETS = {"rest of the benchmark": "benchmark", "C-bar": "c_bar"}  # of an exploratory table


class Condition(NamedTuple):
    """What the outcomes of a comparison have in common."""

    weights: str  # final | best | ema
    published: bool  # whether the corrupted images are the arrays of CIFAR-C
    side: str  # of the images in pixels, when they were corrupted
    seed: int  # of the corruptions

    @property
    def text(self) -> str:
        """The condition for a reader."""
        images = "the published images" if self.published else f"seed {self.seed} of the corruptions"
        return f"{self.weights} weights, corrupted at {self.side} px, {images}"

    def place(self) -> tuple[bool, int, str, int]:
        """Return the place among several: generated images and final weights first."""
        return self.published, [each.name for each in ALL].index(self.weights), self.side, self.seed


Key = tuple[str, str]  # a corruption and the source of its images
Outcomes = Mapping[Key, Mapping[int, Outcome]]  # of one condition, by severity
Found = dict[Condition, dict[Key, dict[int, Outcome]]]


@dataclass(frozen=True)
class Kept:
    """The outcomes of one run for the rows of a comparison, in ascending order."""

    rows: np.ndarray  # int64 (n,)
    labels: np.ndarray  # int64 (n,)
    clean: np.ndarray  # whether a clean image is classified correctly, bool (n,)
    right: Mapping[str, np.ndarray]  # the same by corruption, at severities 1 to 5: bool (5, n)

    def changes(self, names: Sequence[str]) -> np.ndarray:
        """Return the mean over corruptions and severities of `correct - clean`, of each row: float64 (n,)."""
        return self.mean(names) - self.clean

    def mean(self, names: Sequence[str]) -> np.ndarray:
        """Return the mean over corruptions and severities of `correct`, of each row: float64 (n,)."""
        return np.asarray(np.concatenate([self.right[name] for name in names]).mean(0, dtype=np.float64))

    def slopes(self, names: Sequence[str]) -> np.ndarray:
        """Return the least-squares slope of `correct` over severities 0 to 5, of each row: float64 (n,).

        It is `sum_s (s - 2.5) y_s / 17.5`, a mean over corruptions. 0 is the clean image.
        """
        levels = np.arange(len(SEVERITIES) + 1)
        weights = levels - levels.mean()
        weights /= (weights**2).sum()
        noisy = [weights[1:] @ self.right[name] for name in names]
        return np.asarray(np.mean(noisy, axis=0) + weights[0] * self.clean)


@dataclass(frozen=True)
class Corrupted:
    """The outcomes of all runs of a comparison under one condition."""

    condition: Condition
    names: tuple[str, ...]  # corruptions of the metric
    sources: Mapping[str, str]  # of the images, by the corruptions that all runs have
    omitted: tuple[str, ...]  # corruptions that only some runs have from one source
    found: Mapping[Path, Outcomes]  # by the file of the record

    def kept(self, names: Sequence[str]) -> dict[Path, Kept]:
        """Return the outcomes of each run for the rows that it and the other runs of its test set have."""
        keys = [(name, self.sources[name]) for name in (CLEAN, *names)]
        return _alike({file: _kept(each, keys) for file, each in self.found.items()})

    @cached_property
    def of_metric(self) -> dict[Path, Kept]:
        """The outcomes under the corruptions of the metric."""
        return self.kept(self.names)

    def of(self, members: Sequence[Run]) -> Kept:
        """Return the outcomes of a run, or those of the folds of one repeat, joined."""
        parts = [self.of_metric[run.files.record] for run in members]
        order = np.argsort(np.concatenate([each.rows for each in parts]), kind="stable")
        rows, labels, clean = (
            np.concatenate([getattr(each, name) for each in parts])[order] for name in ("rows", "labels", "clean")
        )
        right = {name: np.concatenate([each.right[name] for each in parts], axis=1)[:, order] for name in self.names}
        return Kept(rows, labels, clean, right)

    @property
    def explored(self) -> dict[str, tuple[str, ...]]:
        """The sets and single corruptions of an exploratory table, each with its corruptions."""
        names = [name for name in CORRUPTIONS if name in self.sources]
        sets = {
            title: tuple(name for name in names if CORRUPTIONS[name].set == of and name not in PRIMARY)
            for title, of in _SETS.items()
        }
        return {title: each for title, each in sets.items() if each} | {name: (name,) for name in names}

    def notes(self, metric: Metric, rows: int, of: int) -> Iterator[str]:
        """Yield what a reader must know: the corruptions, the condition, and how many of the test rows were used."""
        part = f"; {rows:,} of {of:,} test rows" if rows < of else ""
        yield self._meaning(metric, part)
        if self.omitted:
            yield (
                f"not compared, because the runs do not all have results on the same images: {_listed(self.omitted)}. "
                "`robust` adds what a run lacks"
            )

    def _meaning(self, metric: Metric, part: str) -> str:
        """Return what D is, and under which condition it was measured."""
        if metric.name == "noise":
            return (
                f"D is H = (noisy - clean) of the first model - (noisy - clean) of the second. Noisy is the accuracy "
                f"under {_listed(self.names)} at severities 1 to 5, which were fixed beforehand ({self.condition.text}"
                f"{part}). A higher accuracy under noise with H = 0 is no evidence for the hypothesis"
            )
        return (
            f"over {len(self.names)} of the benchmark's 15 corruptions at severities 1 to 5 ({self.condition.text}"
            f"{part})"
        )


def scores(found: Kept, metric: Metric, names: Sequence[str]) -> np.ndarray:
    """Return the scores of a metric for each row, whose mean is the run's result: float64 (n,)."""
    forms = {"noise": found.changes, "corrupted": found.mean, "slope": found.slopes}
    return forms[metric.name](names)


def gathered(runs: Sequence[Run], metric: Metric) -> Corrupted:
    """Return what `robust` kept of these runs under the first condition that all of them share.

    Rows are those that all runs of one test set have. Raises InputError for a run without the corruptions of the
    metric, for runs on other inputs than images, and for runs without a common condition; Damaged for a damaged file.
    """
    _require_images(runs, metric)
    found = {run.files.record: _read(run) for run in runs}
    wanted = PRIMARY if metric.name == "noise" else ()
    for run in runs:
        _require(run, runs, found[run.files.record], wanted)
    shared = _shared([*found.values()])
    usable = {condition: keys for condition, keys in shared.items() if _names(keys, wanted)}
    if not usable:
        raise InputError(_apart(runs, found, wanted))
    condition = min(usable, key=Condition.place)
    sources = dict(usable[condition])
    outcomes = {file: each[condition] for file, each in found.items()}
    there = {name for of in outcomes.values() for name, _ in of}
    omitted = tuple(name for name in CORRUPTIONS if name in there and name not in sources)
    return Corrupted(condition, _names(usable[condition], wanted), sources, omitted, outcomes)


def _require_images(runs: Sequence[Run], metric: Metric) -> None:
    """Raise InputError for a run on signals or fields, for which no outcome was fixed beforehand."""
    for run in runs:
        if (kind := effects.kind_of(run.config.dataset)) != "image":
            raise InputError(
                f"the metric {metric.name} is for images, but run {run.record.run_id} was trained on {kind}s. Use "
                "`robust` for its results on corrupted inputs"
            )


def _read(run: Run) -> Found:
    """Return the outcomes of a run by condition, of corruptions with all five severities. The clean ones are `none`."""
    found: Found = {}
    clean: dict[tuple[str, str], Outcome] = {}
    for pair, outcome in robust_rows.load(run.files.robust).items():
        if outcome.ranks is None:
            continue
        if pair.corruption == CLEAN:
            clean[pair.weights, pair.side] = outcome
        else:
            of = found.setdefault(_condition(pair), {})
            of.setdefault((pair.corruption, pair.source), {})[pair.severity] = outcome
    for condition, of in found.items():
        found[condition] = {key: each for key, each in of.items() if len(each) == len(SEVERITIES)}
        if (one := clean.get((condition.weights, condition.side))) and found[condition]:
            found[condition][CLEAN, ""] = {0: one}
    return {condition: of for condition, of in found.items() if (CLEAN, "") in of}


def _condition(pair: Pair) -> Condition:
    return Condition(pair.weights, pair.source.partition(":")[0] == _PUBLISHED, pair.side, pair.seed)


def _require(run: Run, runs: Sequence[Run], found: Found, wanted: Sequence[str]) -> None:
    """Raise InputError unless a run has the corruptions of a metric under some condition."""
    if any(_names([*of], wanted) for of in found.values()):
        return
    ids = " ".join(each.record.run_id for each in runs[:_NAMED]) + (" ..." if len(runs) > _NAMED else "")
    what = "primary" if wanted else "benchmark"
    lacking = "the primary corruptions" if wanted else "a corruption of the benchmark"
    raise InputError(
        f"run {run.record.run_id} has no predictions under {lacking} at severities 1 to 5. Run "
        f"`robust {ids} --corruption {what}`"
    )


def _names(keys: Sequence[Key], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the wanted corruptions if all are there, or those of the benchmark if none is wanted."""
    there = [name for name, _ in keys if name != CLEAN]
    if wanted:
        return tuple(wanted) if {*wanted} <= {*there} else ()
    return tuple(name for name in CORRUPTIONS if name in there and CORRUPTIONS[name].set == "benchmark")


def _shared(found: Sequence[Found]) -> dict[Condition, list[Key]]:
    """Return the corruptions that all runs have from one source, by condition. The last of several sources counts."""
    shared: dict[Condition, list[Key]] = {}
    for condition in found[0]:
        if all(condition in each for each in found):
            common = sorted({*found[0][condition]}.intersection(*(each[condition] for each in found)))
            shared[condition] = [*{name: (name, source) for name, source in common}.values()]
    return shared


def _kept(of: Outcomes, keys: Sequence[Key]) -> Kept:
    """Return a run's outcomes for the rows that all of these corruptions have."""
    rows = reduce(np.intersect1d, [outcome.rows for key in keys for outcome in of[key].values()])
    return _of_rows({name: [*dict(sorted(of[name, source].items())).values()] for name, source in keys}, rows)


def _of_rows(by_name: Mapping[str, Sequence[Outcome]], rows: np.ndarray) -> Kept:
    found: dict[str, np.ndarray] = {}
    labels = rows
    for name, outcomes in by_name.items():
        parts = [each for each in (outcome.of(rows) for outcome in outcomes) if each is not None]
        assert len(parts) == len(outcomes), "the rows are in all of them"
        found[name], labels = np.stack([each.ranks == 0 for each in parts]), parts[0].labels
    clean = found.pop(CLEAN)[0]
    return Kept(rows, labels, clean, found)


def _alike(runs: Mapping[Path, Kept]) -> dict[Path, Kept]:
    """Return the outcomes for the rows that the runs of one test set share: the smallest set within those of a run."""
    sets = sorted({each.rows.tobytes(): each.rows for each in runs.values()}.values(), key=len)
    return {
        file: _restricted(each, next(rows for rows in sets if np.isin(rows, each.rows).all()))
        for file, each in runs.items()
    }


def _restricted(found: Kept, rows: np.ndarray) -> Kept:
    if len(rows) == len(found.rows):
        return found
    at = np.searchsorted(found.rows, rows)
    return Kept(rows, found.labels[at], found.clean[at], {name: each[:, at] for name, each in found.right.items()})


def _apart(runs: Sequence[Run], found: Mapping[Path, Found], wanted: Sequence[str]) -> str:
    """Return the message on runs that have no condition in common."""
    lines = []
    for run in runs[:_NAMED]:
        usable = [condition.text for condition, of in found[run.files.record].items() if _names([*of], wanted)]
        lines.append(f"run {run.record.run_id}: {' and '.join(usable)}")
    return f"the runs were not tested on the same corrupted images: {'; '.join(lines)}. Run `robust` for all of them"


def _listed(names: Sequence[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
