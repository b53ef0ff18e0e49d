"""The finished runs that differ from a run in their seed only, and the interval in which one more is expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import task
from ..artifacts import runs
from ..artifacts.record import Record
from ..artifacts.runs import Run
from ..config.run import RunConfig
from ..sharing import siblings as at_hub
from ..statistics.crossed import one_more_run
from .metrics import METRICS
from .published import Published

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The results of the finished seeds of one configuration: the published run's and those of its siblings."""

    metric: str  # top1 | rmse
    results: dict[int, float]  # by seed

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % prediction interval of one more run, cut to possible results.

        None for fewer than two results, and for equal ones, which show no spread.
        """
        if len({*self.results.values()}) < 2:
            return None
        return METRICS[self.metric].cut(one_more_run(np.array([*self.results.values()])))

    @property
    def unused(self) -> int:
        """The lowest seed without a result."""
        return next(seed for seed in range(len(self.results) + 1) if seed not in self.results)

    def to_json(self) -> dict[str, Any]:
        """Return the results for a machine."""
        interval = self.interval
        return {"metric": self.metric, "known": {str(seed): value for seed, value in self.results.items()},
                "interval": None if interval is None else list(interval)}  # fmt: skip


def metric_of(config: RunConfig) -> str:
    """Return the name of a run's result in its test."""
    return "rmse" if task.of(config.task) is task.values else "top1"


def result_of(record: Record, metric: str) -> float:
    """Return a run's result on its test set."""
    return float(getattr(record.test, metric))


def known(published: Published, checkpoints: Path, say: Say) -> Known:
    """Return the results of a published run's configuration by seed: of final weights, on one test set.

    Siblings are finished runs under the checkpoints, and of an address on the Hub those of its repository.
    """
    run = published.run
    metric = metric_of(run.config)
    found = {run.config.seed: result_of(run.record, metric)}
    for record in _candidates(published, checkpoints, say):
        config = RunConfig.from_json(record.config)
        if _is_sibling(run, record, config):
            found.setdefault(config.seed, result_of(record, metric))
    return Known(metric=metric, results=dict(sorted(found.items())))


def _candidates(published: Published, checkpoints: Path, say: Say) -> Iterator[Record]:
    run = published.run
    wanted = (run.record.model, run.record.size, run.record.dataset, "done")
    for entry in runs.indexed(checkpoints, say):
        if (entry.model, entry.size, entry.dataset, entry.status) == wanted:
            yield Run.load(checkpoints / entry.name).record
    if published.commit:
        yield from at_hub.records(published.origin, published.commit, run, say)


def _is_sibling(run: Run, record: Record, config: RunConfig) -> bool:
    """Return whether a record is of a finished run with another seed and nothing else, tested on the same rows."""
    one, other = ({**each.to_json(), "seed": None} for each in (run.config, config))
    same_data = (record.data.version, record.data.split_fingerprint) == (
        run.record.data.version, run.record.data.split_fingerprint,
    )  # fmt: skip
    return record.done and record.tested and config.seed != run.config.seed and one == other and same_data
