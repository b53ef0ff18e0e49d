"""What an upload takes: local files under their paths in the repository, and the finished runs among them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run, find_runs
from ..errors import InputError

ROOT = "."  # the repository's own folder
_NEVER_UPLOADED = (".state", ".lock", ".push", ".holder", ".aside", ".scratch")


@dataclass(frozen=True)
class Parcel:
    """Path in the repository -> file, and folder in the repository -> the finished run that lies there."""

    files: dict[str, Path]
    runs: dict[str, Run]


def pack(local: Path, folder: str) -> Parcel:
    """What goes into a folder of the repository. Raises InputError where there is nothing, or nothing that can go.

    A run is named by its stem (`checkpoints/vit_classic/model_...`) or by its `.json`; a folder is taken whole but for
    hidden files, unfinished state and locks, and each finished run in it gets a folder named by its stem.
    """
    record = local if local.suffix == ".json" else Path(f"{local}.json")
    if record.name.startswith("model_") and record.is_file():
        files, runs = _single(Run.load(record))
    elif local.is_file():
        if not _is_uploaded(local.name):
            raise InputError(f"{local} is a hidden or unfinished file and is never uploaded")
        files, runs = {local.name: local}, {}
    else:
        files, runs = _whole(local, folder)
    if unreadable := [path for path in files.values() if not os.access(path, os.R_OK)]:
        raise InputError(f"{unreadable[0]} cannot be read. Fix its permissions")
    return Parcel(
        {_path(folder, name): path for name, path in files.items()},
        {_path(folder, place): _tested(run) for place, run in runs.items()},
    )


def _path(*parts: str) -> str:
    return PurePosixPath(*parts).as_posix()


def _is_uploaded(name: str) -> bool:
    parts = name.split("/")
    return not any(part.startswith(".") or part.endswith(_NEVER_UPLOADED) for part in parts)


def _tested(run: Run) -> Run:
    if not run.record.tested:
        run_id = run.record.run_id
        raise InputError(f"run {run_id} has no test results; run.py evaluate {run.files.record} makes them")
    run.require_whole()
    return run


def _single(run: Run) -> tuple[dict[str, Path], dict[str, Run]]:
    run.require_done()
    return {path.name: path for path in run.files.present()}, {ROOT: run}


def _whole(local: Path, folder: str) -> tuple[dict[str, Path], dict[str, Run]]:
    """A local folder's files and finished runs, each by its place within the repository's folder."""
    paths = {path.relative_to(local).as_posix(): path for path in sorted(local.rglob("*")) if path.is_file()}
    files = {name: path for name, path in paths.items() if _is_uploaded(name) and not path.is_symlink()}
    finished = [run for run in find_runs(local) if run.done]
    for run in finished:
        if run.files.record.relative_to(local).as_posix() not in paths:  # it is behind a link to a folder
            files |= {path.relative_to(local).as_posix(): path for path in run.files.present()}
    if not files:
        raise InputError(f"there is nothing to upload at {local}; give a run, a file or a folder that holds files")
    runs = {}
    for run in finished:
        if run.files.record in files.values():
            place = _place(run, local, folder)
            files, runs[place] = _settled(files, run, place), run
    return files, runs


def _place(run: Run, local: Path, folder: str) -> str:
    """A folder named by the run's stem: the one that it lies in, or a new one there."""
    stem, within = run.files.stem, run.files.folder.relative_to(local).as_posix()
    there = stem in (run.files.folder.resolve().name, PurePosixPath(folder, within).name)
    return within if there else PurePosixPath(within, stem).as_posix()


def _settled(files: dict[str, Path], run: Run, place: str) -> dict[str, Path]:
    """The files with the run's own in its place; other copies of the run stay behind."""
    folders = {path.parent for path in files.values() if path.name == run.files.record.name}
    owned = {path for folder in folders for path in RunFiles(folder, run.files.stem).present()}
    others = {name: path for name, path in files.items() if path not in owned}
    taken = set(files.values())
    return others | {_path(place, path.name): path for path in run.files.present() if path in taken}
