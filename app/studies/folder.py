"""The files of a study: their names and where they are. They are results and aids, and never the study's state."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import embedded

_FOLDER = "studies"  # below the folder of the runs


@dataclass(frozen=True)
class StudyFiles:
    """The paths of one study's files; nothing is opened."""

    folder: Path

    @classmethod
    def of(cls, checkpoints: Path, file: Path | None, run_ids: Iterable[str]) -> StudyFiles:
        """Return where a study's files are: its folder is named after its file, or after its runs if it has none."""
        name = re.sub(r"[^\w.-]", "-", embedded.named(file).stem) if file else f"cross-{_digest(run_ids)}"
        return cls(checkpoints / _FOLDER / name)

    @classmethod
    def named(cls, checkpoints: Path, name: str) -> StudyFiles | None:
        """Return where the files of a study of this name are, if its folder exists."""
        folder = checkpoints / _FOLDER / name
        return cls(folder) if re.fullmatch(r"[\w-][\w.-]*", name) and folder.is_dir() else None

    @property
    def results_csv(self) -> Path:
        """One row per run: settings, costs and metrics."""
        return self.folder / "results.csv"

    @property
    def results_parquet(self) -> Path:
        """The same as `results_csv`, with types."""
        return self.folder / "results.parquet"

    @property
    def cells(self) -> Path:
        """The resolved runs of the newest call, with which the next call compares its own."""
        return self.folder / "cells.json"

    @property
    def claims(self) -> Path:
        """One token per run that a worker claims."""
        return self.folder / "claims"

    @property
    def records(self) -> Path:
        """Records of runs that are finished on the Hub, hidden from what looks for runs here."""
        return self.folder / ".hub"

    @property
    def legacy(self) -> Path:
        """The results in the formats of the original systems."""
        return self.folder / "legacy"


def _digest(run_ids: Iterable[str]) -> str:
    """Return 8 hex digits of a set of runs."""
    return hashlib.sha256(" ".join(sorted(run_ids)).encode()).hexdigest()[:8]
