"""The files of an upload by their paths in the repository, and the finished runs among them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run, find_runs
from ..errors import InputError

ROOT = "."  # the repository's top folder
_NEVER_UPLOADED = (".state", ".lock", ".push", ".holder", ".tracking", ".tensorboard", ".aside", ".scratch")


@dataclass(frozen=True)
class Parcel:
    """Path in the repository -> file, and folder in the repository -> the finished run in it."""

    files: dict[str, Path]
    runs: dict[str, Run]
    unfinished: tuple[str, ...] = ()  # IDs of runs that are skipped

    def apart(self, folder: str) -> Parcel:
        """Return the parcel with the run of a folder in a separate folder below it, named by the run."""
        run = self.runs[folder]
        own, place = set(run.files.present()), _path(folder, run.files.stem)
        files = {
            _path(place, path.name) if path in own and _path(folder, path.name) == name else name: path
            for name, path in self.files.items()
        }
        runs = {place if name == folder else name: each for name, each in self.runs.items()}
        return Parcel(files, runs, self.unfinished)


def pack(local: Path, folder: str) -> Parcel:
    """Return the files for a folder of the repository. Raise InputError if none can be uploaded.

    A run is named by its stem (`checkpoints/vit_classic/model_...`) or by its `.json`. In a folder, all files except
    hidden ones, unfinished runs and locks are used, and each finished run gets a folder named by its stem.
    """
    unfinished: tuple[str, ...] = ()
    record = local if local.suffix == ".json" else Path(f"{local}.json")
    if record.name.startswith("model_") and record.is_file():
        files, runs = _single(Run.load(record))
    elif local.is_file():
        if not _is_uploaded(local.name):
            raise InputError(
                f"{local} is a hidden or unfinished file and is never uploaded. Give a visible, complete file"
            )
        files, runs = {local.name: local}, {}
    else:
        files, runs, unfinished = _whole(local, folder)
    if unreadable := [path for path in files.values() if not os.access(path, os.R_OK)]:
        raise InputError(f"{unreadable[0]} cannot be read. Fix its permissions")
    return Parcel(
        {_path(folder, name): path for name, path in files.items()},
        {_path(folder, place): _tested(run) for place, run in runs.items()},
        unfinished,
    )


def _path(*parts: str) -> str:
    return PurePosixPath(*parts).as_posix()


def _is_uploaded(name: str) -> bool:
    parts = name.split("/")
    return not any(part.startswith(".") or part.endswith(_NEVER_UPLOADED) for part in parts)


def _tested(run: Run) -> Run:
    if not run.record.tested:
        run_id = run.record.run_id
        raise InputError(f"run {run_id} has no test results. Run `run.py evaluate {run.files.record}` to compute them")
    run.require_whole()
    return run


def _single(run: Run) -> tuple[dict[str, Path], dict[str, Run]]:
    run.require_done()
    return {path.name: path for path in run.files.present()}, {ROOT: run}


def _whole(local: Path, folder: str) -> tuple[dict[str, Path], dict[str, Run], tuple[str, ...]]:
    """Return a local folder's files and finished runs by their places in the repository's folder, and skipped IDs."""
    paths = {path.relative_to(local).as_posix(): path for path in sorted(local.rglob("*")) if path.is_file()}
    files = {name: path for name, path in paths.items() if _is_uploaded(name) and not path.is_symlink()}
    found = find_runs(local)
    finished, unfinished = [run for run in found if run.done], [run for run in found if not run.done]
    skipped = {path for run in unfinished for path in _owned(files, run)}
    files = {name: path for name, path in files.items() if path not in skipped}
    for run in finished:
        if run.files.record.relative_to(local).as_posix() not in paths:  # the run is behind a link to a folder
            files |= {path.relative_to(local).as_posix(): path for path in run.files.present()}
    if not files:
        ids = ", ".join(run.record.run_id for run in unfinished)
        why = f"its runs are unfinished ({ids})" if ids else "it does not exist or has no files"
        raise InputError(f"there is nothing to upload at {local}: {why}. Give a finished run, a file or another folder")
    runs = {}
    for run in finished:
        if run.files.record in files.values():
            place = _place(run, local, folder)
            files, runs[place] = _settled(files, run, place), run
    return files, runs, tuple(run.record.run_id for run in unfinished)


def _place(run: Run, local: Path, folder: str) -> str:
    """Return a folder named by the run's stem: its present folder, or a new one in it."""
    stem, within = run.files.stem, run.files.folder.relative_to(local).as_posix()
    there = stem in (run.files.folder.resolve().name, PurePosixPath(folder, within).name)
    return within if there else PurePosixPath(within, stem).as_posix()


def _settled(files: dict[str, Path], run: Run, place: str) -> dict[str, Path]:
    """Return the files with the run's files in its place. Other copies of the run are omitted."""
    owned = _owned(files, run)
    others = {name: path for name, path in files.items() if path not in owned}
    taken = set(files.values())
    return others | {_path(place, path.name): path for path in run.files.present() if path in taken}


def _owned(files: dict[str, Path], run: Run) -> set[Path]:
    """Return the files of all copies of a run."""
    folders = {path.parent for path in files.values() if path.name == run.files.record.name}
    return {path for folder in folders for path in RunFiles(folder, run.files.stem).present()}
