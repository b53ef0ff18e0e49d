"""Which runs are there: found by ID, by path, by configuration, or by model, size and dataset."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..config.run import RunConfig
from ..errors import Damaged, InputError
from ..system.durable import sha256
from . import index, record
from .index import Entry
from .paths import RunFiles
from .record import Record, Status

Say = Callable[[str], None]
_FIX = "Download the run again, or retrain it with --fresh"


@dataclass(frozen=True)
class Run:
    """A run found on disk: its files and its record."""

    files: RunFiles
    record: Record

    @cached_property
    def config(self) -> RunConfig:
        """The config it was trained with."""
        return RunConfig.from_json(self.record.config)

    @property
    def done(self) -> bool:
        """Whether it was trained to its end."""
        return self.record.done

    def require_done(self) -> None:
        """Raises InputError unless it was trained to its end; of a run that failed the message says why."""
        if self.done:
            return
        failure = self.record.failure
        text = f"run {self.record.run_id} is not finished. Run its train command again to resume it"
        raise InputError(f"{text}. It failed ({failure.kind}): {failure.sentence}" if failure else text)

    def require_whole(self, *names: str, fix: str = "") -> None:
        """Raises Damaged unless these files, by default all that the record has sums of, are as they were written.

        `fix` tells the user what to do. Default: download or retrain the run.
        """
        sums = self.record.files or {}
        for name, path in self.files.named(names or sums).items():
            if name in sums and (not path.is_file() or sha256(path) != sums[name]):
                what = "damaged" if path.exists() else "gone"
                raise Damaged(f"{path} is {what}. {fix or _FIX}")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Reads `<stem>.json`; raises InputError when it is damaged or of another version."""
        return cls(RunFiles(path.parent, path.stem), record.read(path))


def find_runs(checkpoints: Path, say: Say | None = None, *, named: str = index.RECORDS) -> list[Run]:
    """Every run below a folder whose record fits the pattern, oldest first; copies of a run count as one.

    `say` reports a record that cannot be read, and it is skipped. Without `say`, such a record raises Explained.
    """
    found = list(index.opened(checkpoints, say, named=named))
    records = {entry.name: record for entry, record in found}
    return [Run(files_of(checkpoints, entry), records[entry.name]) for entry in _first(entry for entry, _ in found)]


def indexed(checkpoints: Path, say: Say | None = None) -> list[Entry]:
    """The same runs as the index of the checkpoints has them: records that have not changed are not opened."""
    return _first(index.updated(checkpoints, say))


def files_of(checkpoints: Path, entry: Entry) -> RunFiles:
    """Return the files of a run that the index has."""
    return RunFiles(checkpoints / entry.path.parent, entry.path.stem)


def _first(entries: Iterable[Entry]) -> list[Entry]:
    """The entry that counts of each run's copies, oldest run first."""
    copies: dict[str, list[Entry]] = {}
    for entry in entries:
        copies.setdefault(entry.run_id, []).append(entry)
    found = [max(each, key=lambda entry: entry.preference) for each in copies.values()]
    return sorted(found, key=lambda entry: (entry.started, entry.path.stem))


def at_path(path: Path) -> Run:
    """The run at a stem, at any of its files, or alone in a folder; raises InputError for none or several."""
    if path.is_dir():
        runs = find_runs(path)
        if len(runs) == 1:
            return runs[0]
        found = ", ".join(run.files.stem for run in runs) or "none"
        raise InputError(f"{path} contains {len(runs)} runs ({found}). Name one of them")
    for candidate in [path.with_name(f"{path.name}.json"), path, *_records_of(path)]:
        if candidate.suffix == ".json" and candidate.is_file():
            return Run.load(candidate)
    raise InputError(f"there is no run at {path}. Give a folder with one run, or one of its files")


def _records_of(path: Path) -> list[Path]:
    """The records that a file may belong to, by the beginning of its name; the longest match first."""
    records = [record for record in path.parent.glob(index.RECORDS) if path.name.startswith(record.stem)]
    return sorted(records, key=lambda record: -len(record.stem))


def place_of(checkpoints: Path, config: RunConfig) -> RunFiles:
    """Where a config's run lies or will lie: where `train` puts it, unless only a copy elsewhere below is finished."""
    copy = _copy(checkpoints, config)
    return copy.files if copy and copy.done else RunFiles.of(checkpoints, config)


def status_of(checkpoints: Path, config: RunConfig) -> Status:
    """The status of a config's run: `missing` where no record of it can be read."""
    copy = _copy(checkpoints, config)
    return copy.record.status if copy else "missing"


def unfinished_on_other_data(checkpoints: Path, config: RunConfig) -> Run | None:
    """The newest unfinished run that differs from a config only in the fingerprint of its data; None without one."""
    if config.fingerprint is None:
        return None
    wanted = _but_for_data(config)
    for entry in reversed(indexed(checkpoints, lambda _: None)):
        same = (entry.model, entry.size, entry.dataset) == (config.model, config.size, config.dataset)
        if same and entry.status != "done" and entry.run_id != config.run_id:
            run = Run.load(checkpoints / entry.name)
            if _but_for_data(run.config) == wanted:
                return run
    return None


def _but_for_data(config: RunConfig) -> dict[str, Any]:
    """The fields of a config but those that follow from its data."""
    of_data = ("fingerprint", "layout_revision", "decoding_revision", "classes")
    return {name: value for name, value in config.to_json().items() if name not in of_data}


def _copy(checkpoints: Path, config: RunConfig) -> Run | None:
    copies = find_runs(checkpoints, lambda _: None, named=f"{glob.escape(config.stem)}.json")
    return copies[0] if copies else None


def kin_of(config: RunConfig, checkpoints: Path) -> list[Entry]:
    """The finished runs that differ from a config in their epochs only, fewest epochs first; by the index alone."""
    entries = [entry for entry in indexed(checkpoints, lambda _: None) if entry.status == "done"]
    kin = [entry for entry in entries if entry.kin_id == config.kin_id and entry.run_id != config.run_id]
    return sorted(kin, key=lambda entry: entry.epochs)


def by_id(run_id: str, checkpoints: Path, say: Say) -> Run:
    """The run whose id begins so; records that cannot be read are said.

    Raises InputError for none or several, and for the one whose whole id it is if its record cannot be read.
    """
    damaged: list[str] = []
    runs = indexed(checkpoints, damaged.append)
    found = [run for run in runs if run.run_id.startswith(run_id)]
    if not found:
        find_runs(checkpoints, named=f"model_{glob.escape(run_id)}_*.json")  # raises where its record is damaged
    for text in damaged:
        say(text)
    if len(found) == 1 and run_id:
        return Run.load(checkpoints / found[0].name)
    there = ", ".join(run.run_id for run in found or runs) or "none. `run.py train` makes one"
    raise InputError(
        f"{len(found)} runs under {checkpoints} have an ID that begins with {run_id!r}. Valid values: {there}"
    )


def newest(*, model: str | None, size: str | None, dataset: str | None, checkpoints: Path, say: Say) -> Run:
    """The newest finished run that fits; the others that fit, and records that cannot be read, are said.

    Raises InputError where none fits.
    """
    wanted = {name: value for name, value in (("model", model), ("size", size), ("dataset", dataset)) if value}
    runs = [
        run for run in indexed(checkpoints, say) if all(getattr(run, name) == value for name, value in wanted.items())
    ]
    done = [run for run in runs if run.status == "done"]
    if not done:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items()) or "any"
        unfinished = f" ({len(runs)} unfinished: the same train command resumes one)" if runs else ""
        raise InputError(f"there is no finished run of {asked} under {checkpoints}{unfinished}. Train or download one")
    if others := [run.run_id for run in done[:-1]]:
        say(f"run {done[-1].run_id} is used, the newest. --run selects another that fits: {', '.join(others)}")
    return Run.load(checkpoints / done[-1].name)
