"""What a report is about: each dataset's finished runs, their comparison or why there is none, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...artifacts.runs import Run
from ...results.comparison import ArmResult, Comparison, Pair
from ...tables.datasets import DATASETS


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A run of the study that has no test: missing, unfinished or failed."""

    run_id: str
    title: str  # model, size and seed
    dataset: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The finished and tested runs of one dataset, and their comparison."""

    dataset: str
    runs: tuple[Run, ...]
    comparison: Comparison | None
    reason: str = ""  # why there is no comparison
    calibration: tuple[Comparison, ...] = ()  # the same arms by proper scores
    uncalibrated: tuple[str, ...] = ()  # why there is none by another score
    noise: Comparison | None = None  # the same arms by the change under noise, after `robust`
    noiseless: str = ""  # why there is none although some runs were tested by `robust`

    @property
    def title(self) -> str:
        """The dataset for a reader."""
        return DATASETS[self.dataset].title if self.dataset in DATASETS else self.dataset

    @property
    def key(self) -> str:
        """The dataset as a part of an ID."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.dataset)

    @cached_property
    def arms(self) -> dict[str, ArmResult]:
        """The arms of the comparison by title; without a comparison, none."""
        return {arm.title: arm for arm in self.comparison.arms} if self.comparison else {}

    @property
    def sizes(self) -> list[str]:
        """The sizes of the runs, smallest first. Models without sizes have an empty one in common."""
        counts: dict[str, int] = {}
        for run in self.runs:
            counts[size_of(run.config.model, run.config.size)] = run.record.parameters.total
        return sorted(counts, key=counts.__getitem__)

    def of(self, pair: Pair) -> tuple[ArmResult, ArmResult]:
        """Return the arms of a pair."""
        return self.arms[pair.a], self.arms[pair.b]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A study and everything that its report says."""

    name: str
    answers: tuple[Answer, ...]
    waiting: tuple[Waiting, ...] = ()
    partial: tuple[Run, ...] = ()  # unfinished, failed and untested runs that have a record
    commands: tuple[str, ...] = ()  # that train the study, repeat its tests, and write this report
    records: dict[str, str] = field(default_factory=dict)  # address of each run's record
    version: str = ""
    written: str = ""  # when, in UTC

    @property
    def runs(self) -> list[Run]:
        """All finished and tested runs."""
        return [run for answer in self.answers for run in answer.runs]

    @property
    def several(self) -> bool:
        """Whether there are several datasets, each with a heading."""
        return len(self.answers) > 1


def size_of(model: str, size: str) -> str:
    """Return a size, or an empty text for that of a model without sizes."""
    return "" if size == model else size


def ids(arms: Sequence[ArmResult]) -> tuple[str, ...]:
    """Return the runs of arms."""
    return tuple(run_id for arm in arms for run_id in arm.run_ids)


def learned(arm: ArmResult) -> tuple[str, ...]:
    """Return the runs of an arm whose results its mean and spread are of: those that learned, or all if none did."""
    if arm.learned is None or not any(arm.learned):
        return arm.run_ids
    return tuple(run_id for run_id, kept in zip(arm.run_ids, arm.learned, strict=True) if kept)


def compared(arms: Sequence[ArmResult]) -> tuple[str, ...]:
    """Return the runs of a pair whose results its difference is of: those that learned, if both arms have some."""
    if any(arm.learned is not None and not any(arm.learned) for arm in arms):
        return ids(arms)
    return tuple(run_id for arm in arms for run_id in learned(arm))
