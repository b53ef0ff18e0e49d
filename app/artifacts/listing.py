"""Runs for a list: their settings and results from the index, and their current state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from .. import log
from ..config.conditions import Condition
from ..system import locks
from ..tables.ranges import check_known
from . import states
from .index import Entry
from .paths import RunFiles
from .record import Status
from .runs import files_of, indexed

STATES = ("running", "stopped", "done", "failed")


class Listed(NamedTuple):
    """A run of the list."""

    entry: Entry
    files: RunFiles
    state: str
    step: int

    @classmethod
    def of(cls, checkpoints: Path, entry: Entry) -> Listed:
        """Return the run of an entry, with its current state."""
        files = files_of(checkpoints, entry)
        return cls(entry, files, *state_of(files, entry.status, entry.total_steps))

    @property
    def shown(self) -> str:
        """The state for a reader."""
        return self.shown_as(self.state)

    def shown_as(self, state: str) -> str:
        """Return a state of the run for a reader, with the step unless it is done or failed."""
        of = f"{self.step:,}/{self.entry.total_steps:,}"
        if state == "failed":
            return f"failed ({self.entry.failure.kind})" if self.entry.failure else "failed"
        return state if state == "done" else f"{state} {of}"

    @property
    def result(self) -> str:
        """The test of the final weights for a reader, empty if there is none."""
        test = self.entry.results.get("test")
        if not test:
            return ""
        number = f"RMSE {test['rmse']:.4g}" if "rmse" in test else f"{100 * test['top1']:.2f} %"
        return f"{number}, n {test['n']:,}"

    def to_json(self) -> dict[str, Any]:
        """Return the run as a JSON object. `path` is the common prefix of the paths of its files."""
        entry = self.entry
        return {
            "run_id": entry.run_id, "model": entry.model, "size": entry.size, "dataset": entry.dataset,
            "state": self.state, "step": self.step, "total_steps": entry.total_steps,
            "failure": msgspec.to_builtins(entry.failure), "results": entry.results, "parameters": entry.parameters,
            "seconds": entry.seconds, "dollars": entry.dollars, "tag": entry.tag,
            "started": entry.started, "finished": entry.finished or None,
            "path": str(stem_of(self.files)), "config": entry.config,
        }  # fmt: skip


def listed(
    checkpoints: Path, say: Callable[[str], None], where: Collection[Condition] = (), only: Collection[str] = ()
) -> list[Listed]:
    """Return the runs below a folder that meet every condition, oldest first. Copies of a run count as one.

    `only` has the states to return; empty means all. `say` reports what is skipped: damaged records and unreadable
    folders.
    """
    found = _fitting(checkpoints, indexed(checkpoints, say), where)
    return [run for run in found if not only or run.state in only]


def _fitting(checkpoints: Path, entries: Collection[Entry], where: Collection[Condition]) -> Iterator[Listed]:
    for entry in entries:
        if all(condition.fits(entry.settings) for condition in where):
            yield Listed.of(checkpoints, entry)


def state_of(files: RunFiles, status: Status, total_steps: int) -> tuple[str, int]:
    """Return a run's state, and its step.

    If a process trains the run, the step is the last in the log. Otherwise it is the step that the run would resume
    from. A run whose process was killed has the status `running` but no process: its state is `stopped`.
    """
    if status == "done":
        return "done", total_steps
    if locks.is_held(files.lock):
        return "running", log.last_step(files.log)
    saved = states.manifests(files.state)
    return "failed" if status == "failed" else "stopped", states.step_of(saved[0]) if saved else 0


def states_of(texts: Collection[str]) -> tuple[str, ...]:
    """Return the states in `--state`, one or several separated by commas. Raise InputError for an unknown one."""
    found = tuple(part.strip() for text in texts for part in text.split(","))
    for state in found:
        check_known("state", state, STATES)
    return found


def stem_of(files: RunFiles) -> Path:
    """Return the common prefix of the paths of a run's files."""
    return files.folder / files.stem
