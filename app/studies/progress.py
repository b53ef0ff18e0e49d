"""How far each cell of a study is, derived from what its run left: no file of the study's keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..artifacts.listing import Listed
from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run, indexed
from ..errors import Diverged, Explained
from ..system import locks
from .cells import Cell

Say = Callable[[str], None]
RETRIES = 2  # of a run that failed
REFUSED = "bad input"  # the kind of what `train` refused before it had a record
_FINAL = (Diverged.kind, REFUSED)  # what the same command would meet again


class Claim(NamedTuple):
    """Who trains a run, here or on another machine."""

    host: str
    process: int | None = None
    since: int | None = None  # seconds since 1970, by the holder's clock
    until: float | None = None  # seconds since 1970, by the Hub's clock: when a claim at the Hub ends

    def to_json(self) -> dict[str, Any]:
        """Return the claim for a machine, without what is unknown."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of one cell: missing, running, stopped, done or failed; `run` is what there is of its run."""

    cell: Cell
    state: str
    run: Listed | None = None
    kind: str = ""  # of the failure
    sentence: str = ""
    failures: int = 0  # how often the run failed, in all commands
    claim: Claim | None = None
    at_hub: bool = False  # whether the state is that of the run on the Hub

    @property
    def done(self) -> bool:
        """Whether the cell's run is finished."""
        return self.state == "done"

    @property
    def retried(self) -> bool:
        """Whether a failed cell is trained again without being asked for."""
        return self.kind not in _FINAL and self.failures <= RETRIES

    @property
    def shown(self) -> str:
        """The state for a reader."""
        if self.state != "failed":
            shown = self.run.shown_as(self.state) if self.run else self.state
            return f"{shown} on {self.claim.host}" if self.claim else f"{shown} on the Hub" if self.at_hub else shown
        times = f", {self.failures} times" if self.failures > 1 else ""
        return f"failed ({self.kind}{times})"

    def to_json(self) -> dict[str, Any]:
        """Return the cell for a machine: where it is written, its settings, its state, and its run."""
        failure = {"kind": self.kind, "message": self.sentence, "count": self.failures} if self.kind else None
        return {
            "run_id": self.cell.run_id,
            "rows": [row.where for row in self.cell.rows],
            "config": self.cell.config.to_json(),
            "state": self.state,
            "failure": failure,
            "claim": self.claim.to_json() if self.claim else None,
            "run": self.run.to_json() if self.run else None,
        }

    def claimed(self, claim: Claim) -> Progress:
        """Return the progress of a cell that a worker claims: running, whatever this machine sees of its process."""
        return self if self.done else replace(self, state="running", claim=claim, kind="", sentence="")


def of_cells(cells: list[Cell], checkpoints: Path, say: Say) -> list[Progress]:
    """Return the progress of every cell on this machine; only records that changed are opened."""
    entries = {entry.run_id: entry for entry in indexed(checkpoints, say)}
    return [
        _progress(cell, Listed.of(checkpoints, entries[cell.run_id]))
        if cell.run_id in entries else _without_record(cell, checkpoints)
        for cell in cells
    ]  # fmt: skip


def _progress(cell: Cell, run: Listed) -> Progress:
    failure = run.entry.failure
    if run.state != "failed" or failure is None:
        return Progress(cell=cell, state=run.state, run=run)
    return Progress(
        cell=cell, state="failed", run=run, kind=failure.kind, sentence=failure.sentence, failures=run.entry.failures
    )


def _without_record(cell: Cell, checkpoints: Path) -> Progress:
    """Return the progress of a cell without a readable record: missing, just begun, or damaged."""
    files = RunFiles.of(checkpoints, cell.config)
    if locks.is_held(files.lock):
        return Progress(cell=cell, state="running")
    try:
        if files.record.exists():
            Run.load(files.record)
    except Explained as error:
        return Progress(cell=cell, state="failed", kind="damaged", sentence=str(error), failures=RETRIES + 1)
    return Progress(cell=cell, state="missing")
