"""A run under way: what one stage hands to the next."""

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
from ..task import Task
from .observers import Screen
from .options import Options


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run under way, on one rank: what one stage hands to the next; `kept` is the record as it grows."""

    config: RunConfig
    files: RunFiles
    kept: Record
    splits: Splits
    here: Place
    chosen: execution.Execution
    state: checkpoint.State | None
    options: Options
    screen: Screen

    @property
    def task(self) -> Task:
        """What the run learns."""
        return task.of(self.config.task)
