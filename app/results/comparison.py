"""The answer of `compare`: its arms, the verdict of each pair, and everything that a reader needs to judge it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ..statistics.verdict import Verdict
from .arms import Exclusion
from .audit import Audit
from .clumped import Clumped
from .exploring import Explored
from .forecast import Forecast
from .looks import Look
from .metrics import Metric
from .naive import Naive
from .remedy import Remedy

Interval = tuple[float, float]
OUTSIDE = "no verdict"  # the word of a look outside the plan


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """The results of one architecture. Those of its runs are in the metric's usual direction, rates as fractions."""

    title: str
    model: str
    size: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    results: tuple[float, ...]  # of each run, or of each repeat of a cross-validation
    learned: tuple[bool, ...] | None  # of each run, if some runs of a regression did not learn; None: all did
    mean: float  # of those that learned
    sd: float | None  # of a run; None: one run
    one_more: Interval | None  # in which one more run's result is expected, at 95 %; None: one run
    parameters: int
    budget: dict[str, float | None]  # training FLOPs, seconds and dollars of a run, on average


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The comparison of two arms. `difference` is A - B such that A is better where it is positive."""

    a: str
    b: str
    procedure: str  # crossed | test set | McNemar | one run | folds | Welch
    difference: float
    verdict: Verdict
    word: str  # of the verdict, or `no verdict` outside the planned looks
    se: float | None
    df: float | None
    examples_part: float | None  # w, the part of SE^2 that the test examples cause
    p: float | None  # before Holm's adjustment
    delta: float | None  # the margin, in the metric's unit
    beats: float  # P(A beats B): the share of pairs of runs in which A is better
    within: bool | None  # of one run against several: whether it is in the interval of one more run of the others
    sentence: str
    remedy: Remedy | None  # what would change the verdict
    forecast: Forecast | None  # of a model with one seed: what three of each would give
    naive: tuple[Naive, ...]
    clumps: Clumped | None
    audit: Audit
    explored: tuple[Explored, ...] = ()  # of the metric `noise`: the change under each corruption

    @property
    def interval(self) -> Interval | None:
        """The interval of the difference, at the verdict's level."""
        return self.verdict.interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All pairs of arms on one dataset by one metric."""

    dataset: str
    data_version: str
    metric: Metric
    target: str  # examples | test-set
    level: float  # of the family of pairs
    examples: int
    groups: int  # equal to `examples` without groups
    arms: tuple[ArmResult, ...]
    pairs: tuple[Pair, ...]
    look: Look | None  # of a study
    exclusions: tuple[Exclusion, ...]
    notes: tuple[str, ...] = ()
    family: int = 1  # pairs of the family: of all datasets and metrics that are compared together

    def to_json(self) -> dict[str, Any]:
        """Return the comparison for a machine: rates as fractions, unknown values as null."""
        return {
            "dataset": self.dataset, "data_version": self.data_version, "metric": self.metric.name,
            "title": self.metric.title, "higher_is_better": self.metric.higher, "target": self.target,
            "level": self.level, "family": self.family, "n": self.examples, "groups": self.groups,
            "arms": [_plain(asdict(arm) | {"n_seeds": len(arm.results)}) for arm in self.arms],
            "pairs": [_pair(pair) for pair in self.pairs],
            "look": self.look.to_json() if self.look else None,
            "exclusions": [each.to_json() for each in self.exclusions], "notes": list(self.notes),
        }  # fmt: skip


def _pair(pair: Pair) -> dict[str, Any]:
    verdict = pair.verdict
    return _plain({
        "a": pair.a, "b": pair.b, "procedure": pair.procedure, "difference": pair.difference,
        "interval": pair.interval, "level": verdict.level, "equivalence_interval": verdict.inner,
        "delta": pair.delta, "se": pair.se, "df": pair.df, "examples_part": pair.examples_part, "p": pair.p,
        "p_adjusted": verdict.p, "verdict": pair.word, "at_least_delta": verdict.at_least_delta,
        "real_but_small": verdict.real_but_small, "beats": pair.beats, "within_one_more_run": pair.within,
        "sentence": pair.sentence, "remedy": asdict(pair.remedy) if pair.remedy else None,
        "forecast": asdict(pair.forecast) if pair.forecast else None,
        "naive": [asdict(each) for each in pair.naive], "clumps": asdict(pair.clumps) if pair.clumps else None,
        "audit": pair.audit.to_json(), "explored": [each.to_json() for each in pair.explored],
    })  # fmt: skip


def _plain(value: Any) -> Any:
    """Return a value with lists in place of tuples and null in place of NaN."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
