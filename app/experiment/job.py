"""A run in progress: the data that one stage passes to the next."""

from __future__ import annotations

from dataclasses import dataclass

from .. import task
from ..artifacts import checkpoint
from ..artifacts.paths import RunFiles
from ..artifacts.record import Record
from ..computing import execution
from ..config.run import RunConfig
from ..data.splits.division import Splits
from ..place import Place
from ..sharing.card import cells_of
from ..task import Task
from .ledger import Stay
from .observers import Screen
from .options import Options


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run in progress on one rank, passed from stage to stage. `kept` is the record as it grows."""

    config: RunConfig
    files: RunFiles
    kept: Record
    splits: Splits
    here: Place
    chosen: execution.Execution
    state: checkpoint.State | None
    options: Options
    screen: Screen
    stay: Stay

    @property
    def task(self) -> Task:
        """Return the task that the run learns."""
        return task.of(self.config.task)

    def headline(self) -> str:
        """Return the line that reports which run begins or resumes, and how it is computed."""
        kept, shape, rows = self.kept, self.config, self.kept.data.rows
        begin = "begins"
        if self.state:
            left = self.state.step < kept.schedule.total_steps
            begin = f"resumes at step {self.state.step + 1}" if left else "has made all its steps and is tested"
        ranks = f" on {self.here.ranks} ranks" if self.here.ranks > 1 else ""
        named = shape.model if shape.size == shape.model else f"{shape.model} {shape.size}"  # one if it has no budget
        return (
            f"run {kept.run_id} {begin}: {named} ({kept.parameters.total:,} parameters: "
            f"{cells_of(shape.to_json(), shape.family)}, {kept.tokens} token{'' if kept.tokens == 1 else 's'}) on "
            f"{shape.dataset} (train {rows.train:,}, validation {rows.val:,}, test {rows.test:,}), "
            f"{self.here.device.type} {self.here.precision}{ranks}, {self.chosen}"
        )
