"""Which run is meant: by its id, by a path, by an address on the Hub, or by model, size and dataset."""

from __future__ import annotations

import glob
from collections.abc import Callable
from pathlib import Path

from ..config.run import RunConfig
from ..errors import InputError
from .paths import Run, RunFiles, find_runs


def at_path(path: Path) -> Run:
    """The run at a stem, at any of its files, or alone in a folder; raises InputError for none or several."""
    if path.is_dir():
        runs = find_runs(path)
        if len(runs) == 1:
            return runs[0]
        found = ", ".join(run.files.stem for run in runs) or "none"
        raise InputError(f"{path} holds {len(runs)} runs ({found}); name one")
    for candidate in [path.with_name(f"{path.name}.json"), path, *_records_of(path)]:
        if candidate.suffix == ".json" and candidate.is_file():
            return Run.load(candidate)
    raise InputError(f"there is no run at {path}; give a folder with one run, or one of its files")


def _records_of(path: Path) -> list[Path]:
    """The records that a file may belong to, by the beginning of its name; the longest match first."""
    records = [record for record in path.parent.glob("model_*.json") if path.name.startswith(record.stem)]
    return sorted(records, key=lambda record: -len(record.stem))


def place_of(checkpoints: Path, config: RunConfig) -> RunFiles:
    """Where a config's run lies or will lie: where `train` puts it, unless only a copy elsewhere below is finished."""
    copies = find_runs(checkpoints, lambda _: None, named=f"{glob.escape(config.stem)}.json")
    return copies[0].files if copies and copies[0].done else RunFiles.of(checkpoints, config)


def by_id(run_id: str, checkpoints: Path, say: Callable[[str], None]) -> Run:
    """The run whose id begins so; records that cannot be read are said.

    Raises InputError for none or several, and for the one whose whole id it is if its record cannot be read.
    """
    damaged: list[str] = []
    runs = find_runs(checkpoints, damaged.append)
    found = [run for run in runs if run.record["run_id"].startswith(run_id)]
    if not found:
        find_runs(checkpoints, named=f"model_{glob.escape(run_id)}_*.json")
    for text in damaged:
        say(text)
    if len(found) == 1 and run_id:
        return found[0]
    there = ", ".join(run.record["run_id"] for run in runs) or "none; `run.py train` makes one"
    raise InputError(
        f"{len(found)} runs under {checkpoints} have an id that begins with {run_id!r}; there are: {there}"
    )


def newest(
    *, model: str | None, size: str | None, dataset: str | None, checkpoints: Path, say: Callable[[str], None]
) -> Run:
    """The newest finished run that fits; the others that fit, and records that cannot be read, are said.

    Raises InputError where none fits.
    """
    wanted = {name: value for name, value in (("model", model), ("size", size), ("dataset", dataset)) if value}
    runs = [run for run in find_runs(checkpoints, say) if wanted.items() <= run.record.items()]
    done = [run for run in runs if run.done]
    if not done:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items()) or "any"
        unfinished = f" ({len(runs)} unfinished: the same train command continues one)" if runs else ""
        raise InputError(f"there is no finished run of {asked} under {checkpoints}{unfinished}; train or download one")
    if others := [run.record["run_id"] for run in done[:-1]]:
        say(f"taken: run {done[-1].record['run_id']}, the newest; --run takes another that fits: {', '.join(others)}")
    return done[-1]
