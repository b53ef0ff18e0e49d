"""A study: its runs, the folder that they are in, and the files of the study itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import progress
from .cells import Cell
from .folder import StudyFiles
from .progress import Progress


@dataclass(frozen=True, kw_only=True)
class Study:
    """The cells of a study in the order of its rows."""

    cells: list[Cell]
    checkpoints: Path
    files: StudyFiles

    @classmethod
    def of(cls, checkpoints: Path, file: Path | None, cells: list[Cell]) -> Study:
        """Return the study of a file, or without one of its cells."""
        files = StudyFiles.of(checkpoints, file, (cell.run_id for cell in cells))
        return cls(cells=cells, checkpoints=checkpoints, files=files)

    def progress(self, say: Callable[[str], None]) -> list[Progress]:
        """Return how far every cell is."""
        return progress.of_cells(self.cells, self.checkpoints, say, claims=self.files.claims)
