"""The runs that the arguments of `compare` name, among them studies: by file, or by the name of their folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.runs import Run
from ..errors import Diverged, InputError
from ..results import requested
from ..results.arms import Exclusion
from ..tables.datasets import dataset_name
from . import cells, changes, folds, rows
from .changes import Kept
from .folder import StudyFiles

if TYPE_CHECKING:
    from ..experiment.observers import Screen

_ENDINGS = (".csv", ".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class StudyRuns:
    """The runs of a study as its file or its last command has them."""

    folder: Path
    kept: tuple[Kept, ...]
    runs: tuple[Run, ...] = ()  # those that exist

    def complete(self, dataset: str) -> int:
        """Return the most seeds of a configuration on a dataset, once the study is complete."""
        return max(map(len, self._replicates(dataset)), default=0)

    def seeds(self, dataset: str) -> int:
        """Return the seeds that every configuration has a result of, `complete` if the study is complete.

        A configuration with all of its seeds does not limit them. A run that diverged has no result to wait for.
        """
        over = {run.record.run_id for run in self.runs if (run.done and run.record.tested) or _diverged(run)}
        counts = [(sum(ids <= over for ids in each), len(each)) for each in self._replicates(dataset)]
        return min((there for there, of_all in counts if there < of_all), default=self.complete(dataset))

    def _replicates(self, dataset: str) -> list[list[set[str]]]:
        """Return the run IDs of each seed (of its folds, several) of each configuration.

        A folder is named otherwise in its runs than in the study. If no run of the study names the dataset, all count.
        """
        found: dict[object, dict[tuple[str, str], set[str]]] = {}
        of_it = [each for each in self.kept if _dataset_of(each, dataset) == dataset]
        for each in of_it or self.kept:
            settings = {**each.settings, "dataset": _dataset_of(each, dataset)}
            replicate = settings.pop("seed", ""), settings.pop("repeat", "")
            settings.pop("fold", None)
            found.setdefault(frozenset(settings.items()), {}).setdefault(replicate, set()).add(each.run_id)
        return [[*seeds.values()] for seeds in found.values()]


@dataclass(frozen=True, kw_only=True)
class Named:
    """The runs that each argument names, the study among the arguments, and runs that are known to be missing."""

    parts: dict[str, list[Run]]
    study: StudyRuns | None = None
    exclusions: list[Exclusion] = field(default_factory=list)


def named(names: Sequence[str], checkpoints: Path, screen: Screen) -> Named:
    """Return the runs of the arguments. Raises InputError for a name that fits nothing, and for several studies."""
    found: dict[str, list[Run]] = {}
    study: StudyRuns | None = None
    missing: list[Exclusion] = []
    for name in names:
        its = _study_of(name, checkpoints, screen)
        if its is None:
            found[name] = requested.of_name(name, checkpoints, screen.say)
            continue
        if len(names) > 1:
            raise InputError(f"{name} is a study, and {len(names)} arguments are given. Compare one study at a time")
        found[name] = requested.of_ids((each.run_id for each in its.kept), checkpoints, screen.say)
        study = replace(its, runs=tuple(found[name]))
        missing = _missing(its.kept, found[name])
    return Named(parts=found, study=study, exclusions=missing)


def _diverged(run: Run) -> bool:
    return run.record.failure is not None and run.record.failure.kind == Diverged.kind


def _dataset_of(kept: Kept, default: str) -> str:
    """Return the dataset of a study's run, as its record spells it."""
    return dataset_name(kept.settings["dataset"]) if "dataset" in kept.settings else default


def _study_of(name: str, checkpoints: Path, screen: Screen) -> StudyRuns | None:
    """Return the study of an argument, or None if it is none."""
    path, folder = Path(name), StudyFiles.named(checkpoints, name)
    if path.suffix.lower() in _ENDINGS and path.is_file():
        files = StudyFiles.of(checkpoints, path, ())
        return StudyRuns(folder=files.folder, kept=tuple(_of_file(path, files, checkpoints, screen)))
    if folder and folder.cells.is_file():
        if kept := changes.read(folder.cells):
            return StudyRuns(folder=folder.folder, kept=tuple(kept))
        raise InputError(f"{folder.cells} does not list the runs of the study. Run `study status` with its file first")
    if path.suffix.lower() in _ENDINGS:
        raise InputError(f"the study {name} is not a file. Give a CSV or YAML file, or the name of a study")
    return None


def _of_file(path: Path, files: StudyFiles, checkpoints: Path, screen: Screen) -> list[Kept]:
    """Return the runs of a study's file; those of its last command if options of that command made others."""
    read = folds.expanded(rows.of_file(path, options={}, axes={}), None)
    now = changes.table(cells.resolved(read, screen, checkpoints=checkpoints))
    if requested.of_ids((each.run_id for each in now), checkpoints, screen.say):
        return now
    return changes.read(files.cells) or now


def _missing(kept: Iterable[Kept], found: Sequence[Run]) -> list[Exclusion]:
    there = {run.record.run_id for run in found}
    return [
        Exclusion(run_id=each.run_id, title=each.where, reason="it is not trained yet")
        for each in kept if each.run_id not in there
    ]  # fmt: skip
