"""The runs on disk, found by ID, by path, by configuration, or by model, size and dataset."""

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
from ..tables import own
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
        """Whether its training is complete."""
        return self.record.done

    def require_done(self) -> None:
        """Raise InputError unless the training is complete. For a failed run, the message has the reason."""
        if self.done:
            return
        failure = self.record.failure
        text = f"run {self.record.run_id} is not finished. Run its train command again to resume it"
        raise InputError(f"{text}. It failed ({failure.kind}): {failure.sentence}" if failure else text)

    def require_whole(self, *names: str, fix: str = "") -> None:
        """Raise Damaged unless these files match their sums. Default: all files that the record has sums of.

        `fix` tells the user what to do. Default: download or retrain the run.
        """
        sums = self.record.files or {}
        for name, path in self.files.named(names or sums).items():
            if name in sums and (not path.is_file() or sha256(path) != sums[name]):
                what = "damaged" if path.exists() else "gone"
                raise Damaged(f"{path} is {what}. {fix or _FIX}")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Return the run of a `<stem>.json`. Raise InputError if it is damaged or of another version."""
        return cls(RunFiles(path.parent, path.stem), record.read(path))


def find_runs(checkpoints: Path, say: Say | None = None, *, named: str = index.RECORDS) -> list[Run]:
    """Return every run below a folder whose record's name matches, oldest first. Copies of a run count as one.

    `say` reports a record that cannot be read, and it is skipped. Without `say`, such a record raises Explained.
    """
    found = list(index.opened(checkpoints, say, named=named))
    records = {entry.name: record for entry, record in found}
    return [Run(files_of(checkpoints, entry), records[entry.name]) for entry in _first(entry for entry, _ in found)]


def indexed(checkpoints: Path, say: Say | None = None) -> list[Entry]:
    """Return the entries of the runs below a folder, oldest first. Records that have not changed are not opened."""
    return _first(index.updated(checkpoints, say))


def files_of(checkpoints: Path, entry: Entry) -> RunFiles:
    """Return the files of a run in the index."""
    return RunFiles(checkpoints / entry.path.parent, entry.path.stem)


def _first(entries: Iterable[Entry]) -> list[Entry]:
    """Return the preferred entry of each run's copies, oldest run first."""
    copies: dict[str, list[Entry]] = {}
    for entry in entries:
        copies.setdefault(entry.run_id, []).append(entry)
    found = [max(each, key=lambda entry: entry.preference) for each in copies.values()]
    return sorted(found, key=lambda entry: (entry.started, entry.path.stem))


def at_path(path: Path) -> Run:
    """Return the run at a stem, at any of its files, or alone in a folder.

    Raises InputError for none or several.
    """
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
    """Return the records that a file may belong to, by the beginning of its name, the longest match first."""
    records = [record for record in path.parent.glob(index.RECORDS) if path.name.startswith(record.stem)]
    return sorted(records, key=lambda record: -len(record.stem))


def place_of(checkpoints: Path, config: RunConfig) -> RunFiles:
    """Return the place of a config's run, existing or not.

    It is the place where `train` writes it, unless only a copy elsewhere below the checkpoints is finished.
    """
    copy = _copy(checkpoints, config)
    return copy.files if copy and copy.done else RunFiles.of(checkpoints, config)


def status_of(checkpoints: Path, config: RunConfig) -> Status:
    """Return the status of a config's run, or `missing` if it has no readable record."""
    copy = _copy(checkpoints, config)
    return copy.record.status if copy else "missing"


def unfinished_on_other_data(checkpoints: Path, config: RunConfig) -> Run | None:
    """Return the newest unfinished run that differs from a config only in its data's fingerprint, or None."""
    if config.fingerprint is None:
        return None
    return _unfinished(checkpoints, config, _but_for_data)


def unfinished_of_another_file(checkpoints: Path, config: RunConfig) -> Run | None:
    """Return the newest unfinished run that differs from a config only in the content of its model's file, or None."""
    if own.title(config.model) is None:
        return None
    return _unfinished(checkpoints, config, _but_for_code)


def _unfinished(checkpoints: Path, config: RunConfig, rest: Callable[[RunConfig], dict[str, Any]]) -> Run | None:
    """Return the newest unfinished run with the same rest of its config as another config, but not with its ID."""
    wanted, name = rest(config), own.title(config.model) or config.model
    for entry in reversed(indexed(checkpoints, lambda _: None)):
        same = (own.title(entry.model) or entry.model, entry.dataset) == (name, config.dataset)
        if same and entry.status != "done" and entry.run_id != config.run_id:
            run = Run.load(checkpoints / entry.name)
            if rest(run.config) == wanted:
                return run
    return None


def _but_for_data(config: RunConfig) -> dict[str, Any]:
    """Return the fields of a config, except those that follow from its data."""
    of_data = ("fingerprint", "layout_revision", "decoding_revision", "classes")
    return {name: value for name, value in config.to_json().items() if name not in of_data}


def _but_for_code(config: RunConfig) -> dict[str, Any]:
    """Return the fields of a config, except those that follow from the content of its model's file."""
    of_code = ("model", "model_sha256", "grow_to", *(("size",) if config.size == config.model else ()))
    return {name: value for name, value in config.to_json().items() if name not in of_code}


def _copy(checkpoints: Path, config: RunConfig) -> Run | None:
    copies = find_runs(checkpoints, lambda _: None, named=f"{glob.escape(config.stem)}.json")
    return copies[0] if copies else None


def kin_of(config: RunConfig, checkpoints: Path) -> list[Entry]:
    """Return the finished runs that differ from a config only in their epochs, fewest epochs first.

    Only the index is used.
    """
    entries = [entry for entry in indexed(checkpoints, lambda _: None) if entry.status == "done"]
    kin = [entry for entry in entries if entry.kin_id == config.kin_id and entry.run_id != config.run_id]
    return sorted(kin, key=lambda entry: entry.epochs)


def by_id(run_id: str, checkpoints: Path, say: Say) -> Run:
    """Return the run whose ID begins with `run_id`. Report records that cannot be read.

    Raises InputError for none or several, and if `run_id` is the complete ID of a run whose record cannot be read.
    """
    damaged: list[str] = []
    runs = indexed(checkpoints, damaged.append)
    found = [run for run in runs if run.run_id.startswith(run_id)]
    if not found:
        find_runs(checkpoints, named=f"model_{glob.escape(run_id)}_*.json")  # raises if its record is damaged
    for text in damaged:
        say(text)
    if len(found) == 1 and run_id:
        return Run.load(checkpoints / found[0].name)
    there = ", ".join(run.run_id for run in found or runs) or "none. `run.py train` makes one"
    raise InputError(
        f"{len(found)} runs under {checkpoints} have an ID that begins with {run_id!r}. Valid values: {there}"
    )


def newest(*, model: str | None, size: str | None, dataset: str | None, checkpoints: Path, say: Say) -> Run:
    """Return the newest finished run that matches. Report the other matches, and records that cannot be read.

    Raises InputError if no run matches.
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
