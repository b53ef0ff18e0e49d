"""The judgement of a run at each epoch's end: a sweep may stop one whose validation is worse than that of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import log
from ..errors import PRUNED
from ..events import EpochEnd, Event
from .job import Job
from .options import Judge
from .stopping import Reason


@dataclass
class Judging:
    """Ask the judge at each epoch's end but the last, after which nothing is left to save."""

    judge: Judge
    rows: log.TrainingLog
    epochs: int
    passes: list[Mapping[str, Any]]  # the rows of all full validation passes so far
    reason: Reason | None = field(default=None, init=False)

    def __call__(self, event: Event) -> None:
        if not isinstance(event, EpochEnd):
            return
        self.rows.drain()
        self.passes.append(self.rows.last["val_full"])
        if event.epoch < self.epochs and (why := self.judge(self.passes)):
            self.reason = Reason(why, in_time=True, kind=PRUNED)


def observers(job: Job, rows: log.TrainingLog) -> list[Judging]:
    """Return the observer that judges a run, or nothing if nobody asked for it. `rows` is open at the run's state."""
    if not job.options.judge:
        return []
    passes = [row for row in log.read(rows.path)[1] if row["split"] == "val_full"] if job.state else []
    return [Judging(job.options.judge, rows, job.config.epochs, list(passes))]


def asked(stop_asked: Callable[[], Reason | None], judges: Sequence[Judging]) -> Callable[[], Reason | None]:
    """Return a request to stop, or else the reason of a judge."""
    return lambda: stop_asked() or next((judge.reason for judge in judges if judge.reason), None)
