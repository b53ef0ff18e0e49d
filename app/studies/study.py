"""A study: its runs, where they are, and how far each of them is, here and on the Hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.listing import Listed
from ..artifacts.paths import RunFiles
from ..system import ticket
from . import progress
from .cells import Cell
from .folder import StudyFiles
from .progress import Claim, Progress

if TYPE_CHECKING:
    from .remote import Remote, There


@dataclass(frozen=True, kw_only=True)
class Study:
    """The cells of a study in the order of its rows; `remote` is where its runs are kept too, if they are."""

    cells: list[Cell]
    checkpoints: Path
    files: StudyFiles
    remote: Remote | None = None

    @classmethod
    def of(
        cls, checkpoints: Path, file: Path | None, cells: list[Cell], *, upload: bool, say: Callable[[str], None]
    ) -> Study:
        """Return the study of a file, or without one of its cells. Raises InputError if an upload has no repository."""
        files = StudyFiles.of(checkpoints, file, (cell.run_id for cell in cells))
        if not upload:
            return cls(cells=cells, checkpoints=checkpoints, files=files)
        from .remote import Remote  # the Hub, which no other study needs

        remote = Remote.of(checkpoints, files.records, say)
        return cls(cells=cells, checkpoints=checkpoints, files=files, remote=remote)

    def progress(self, say: Callable[[str], None], cells: list[Cell] | None = None) -> list[Progress]:
        """Return how far every cell is, or each of some: on this machine, in a shared folder, and on the Hub."""
        found = progress.of_cells(self.cells if cells is None else cells, self.checkpoints, say)
        holders = ticket.holders(self.files.claims)
        found = [
            each.claimed(Claim(holder.host, holder.process, holder.since))
            if (holder := holders.get(each.cell.run_id)) else each
            for each in found
        ]  # fmt: skip
        there = self.remote.look([each.cell for each in found if not each.done]) if self.remote else {}
        return [_with(each, there[each.cell.run_id]) if each.cell.run_id in there else each for each in found]


def _with(found: Progress, there: There) -> Progress:
    """Return a cell's progress with what the Hub has: a finished run, a claim, or a later state than here."""
    if entry := there.entry:
        run = Listed(entry, RunFiles(Path(), entry.path.stem), "done", entry.total_steps)
        return Progress(cell=found.cell, state="done", run=run, at_hub=True)
    if there.holder:
        return found.claimed(Claim(there.holder, until=there.until))
    if found.state in ("missing", "stopped") and there.step > (found.run.step if found.run else 0):
        return replace(found, state="stopped", at_hub=True)
    return found
