"""Comparisons of several datasets or metrics as one family of pairs. Results are never averaged over datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..artifacts.runs import Run
from ..errors import InputError
from ..statistics.several import SIGNS, sign_test
from ..tables.names import suggestion
from . import arms
from .arms import Chosen
from .comparing import Asked, Draft, draft
from .comparison import Comparison
from .metrics import METRICS


@dataclass(frozen=True, kw_only=True)
class Signs:
    """On how many datasets one model is ahead of another by a metric: a remark, and no verdict."""

    a: str
    b: str
    metric: str
    ahead: int  # datasets on which A is ahead
    behind: int
    ties: int
    p: float | None  # of a sign test; None below six datasets

    @property
    def line(self) -> str:
        """The remark for a reader."""
        of = self.ahead + self.behind + self.ties
        lead = f"{self.a} is ahead of {self.b} by {METRICS[self.metric].title} on {self.ahead} of {of} datasets"
        if self.p is None:
            return f"{lead}. A sign test needs {SIGNS} datasets without a tie to reach p < 0.05"
        return f"{lead} (sign test: p = {self.p:.2g}). This counts datasets, and not how large the differences are"


@dataclass(frozen=True, kw_only=True)
class Family:
    """The comparisons of a family, one per dataset and metric."""

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()  # datasets that are not compared, and why

    @property
    def pairs(self) -> int:
        """The number of pairs in the family."""
        return sum(len(each.pairs) for each in self.comparisons)

    @property
    def signs(self) -> tuple[Signs, ...]:
        """The remark on each pair of models that several datasets have."""
        return tuple(_signs(self.comparisons))

    def to_json(self) -> dict[str, Any]:
        """Return the family for a machine."""
        return {
            "level": self.comparisons[0].level, "family": self.pairs,
            "comparisons": [each.to_json() for each in self.comparisons],
            "signs": [asdict(each) for each in self.signs], "notes": list(self.notes),
        }  # fmt: skip


def datasets_of(parts: Mapping[str, Sequence[Run]], asked: Sequence[str]) -> list[str]:
    """Return the datasets of the runs that the arguments name, or those asked for. Raise InputError for others."""
    there = list(dict.fromkeys(run.config.dataset for part in parts.values() for run in part))
    for name in asked:
        if name not in there:
            raise InputError(
                f"none of the runs is of --dataset {name}. Valid values: {', '.join(there) or 'none'}. Omit it"
            )
    return list(dict.fromkeys(asked)) or there


def chosen(parts: Mapping[str, Sequence[Run]], asked: Sequence[str]) -> tuple[list[Chosen], list[str]]:
    """Return the arms of each dataset, and notes on datasets without two architectures.

    Raises InputError if such a dataset is asked for or is the only one, and for arms that share a run.
    """
    datasets = datasets_of(parts, asked)
    if len(datasets) < 2:
        return [arms.chosen(parts, datasets[0] if datasets else None)], []
    found: list[Chosen] = []
    notes: list[str] = []
    for dataset in datasets:
        try:
            found.append(arms.chosen(parts, dataset))
        except InputError as error:
            if asked:
                raise
            notes.append(f"{dataset} is not compared: {error}")
    if not found:
        raise InputError("; ".join(notes))
    return found, notes


def aligned(choices: Sequence[Chosen]) -> list[Chosen]:
    """Return the arms of each dataset in the order of the first dataset that has them, so that pairs have one sign."""
    order = {title: place for place, title in enumerate(dict.fromkeys(a.title for c in choices for a in c.arms))}
    return [replace(each, arms=tuple(sorted(each.arms, key=lambda arm: order[arm.title]))) for each in choices]


def drafts(choices: Sequence[Chosen], asked: Asked, metrics: Sequence[str]) -> list[Draft]:
    """Return the estimates of each dataset by each metric of its task, or by the first metric of its task.

    Raises InputError for an unknown metric, for one that is of no dataset's task, for a margin of metrics with
    different units, and for arms that are not comparable.
    """
    tasks = dict.fromkeys(each.arms[0].config.task for each in choices)
    _require_known(metrics, [*tasks])
    if asked.delta is not None and len({METRICS[name].unit for name in metrics}) > 1:
        raise InputError(
            f"--delta {asked.delta:g} is one number, and the metrics {', '.join(metrics)} have different units. Omit "
            "--delta, and each metric has its default margin"
        )
    found = []
    for each in aligned(choices):
        task = each.arms[0].config.task
        possible = {task, *_missing(metrics, tasks)}
        names: list[str | None] = [name for name in dict.fromkeys(metrics) if METRICS[name].task in possible]
        found += [draft(each, asked=replace(asked, metric=name)) for name in names or [None]]
    return found


def _missing(metrics: Iterable[str], tasks: Iterable[str]) -> set[str]:
    """Return the tasks of metrics that no dataset has: `draft` refuses these metrics with the reason."""
    return {METRICS[name].task for name in metrics} - {*tasks}


def _require_known(metrics: Iterable[str], tasks: Sequence[str]) -> None:
    for name in metrics:
        if name not in METRICS:
            valid = [metric.name for metric in METRICS.values() if metric.task in tasks]
            raise InputError(f"unknown --metric {name!r}. {suggestion(name, valid)}")


def _signs(comparisons: Sequence[Comparison]) -> Iterator[Signs]:
    """Yield the signs of each pair and metric of several datasets, in the order of the first dataset."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for comparison in comparisons:
        for pair in comparison.pairs:
            key, sign = (comparison.metric.name, pair.a, pair.b), 1
            if (comparison.metric.name, pair.b, pair.a) in found:
                key, sign = (comparison.metric.name, pair.b, pair.a), -1
            found.setdefault(key, []).append(sign * pair.difference)
    for (metric, a, b), differences in found.items():
        if len(differences) > 1:
            ahead, behind = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
            yield Signs(
                a=a, b=b, metric=metric, ahead=ahead, behind=behind, ties=len(differences) - ahead - behind,
                p=sign_test(ahead, behind),
            )  # fmt: skip
