"""Files of a run that come from the Hub. They are gathered in a side folder, compared, and only then moved.

A kill cannot leave a part of them. Once all files are compared, the side folder is renamed. The next command moves the
files of a folder with that name to their places. The record is moved last, so a run is done only if all of it is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..artifacts.paths import RunFiles
from ..artifacts.runs import Run
from ..config.run import RunConfig
from ..errors import Damaged, HubUnavailable, InputError, RunFailed
from ..system import hub, repositories
from ..system.durable import fsync_folder, make_folder, require_space, sha256

_NEEDED = ("weights", "best", "log", "predictions", "splits")  # of a finished run
STATE = "state"  # the subfolder of the side folder for a state's files


@contextmanager
def side_folder(files: RunFiles) -> Iterator[Path]:
    """Yield an empty folder for a run's files, which is removed unless it was `put`.

    After a kill, `sweep` removes it.
    """
    folder = files.folder / f".{files.stem}.arriving.scratch"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield make_folder(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put(folder: Path, files: RunFiles) -> None:
    """Move the complete contents of a side folder to their places."""
    for inner in (path for path in (folder / STATE, folder) if path.is_dir()):
        fsync_folder(inner)
    shutil.rmtree(_arrived(files), ignore_errors=True)
    folder.replace(_arrived(files))
    fsync_folder(files.folder)
    settle(files)


def settle(files: RunFiles) -> None:
    """Finish what `put` began, if a kill stopped it.

    A new state replaces all others, and the record is moved last.
    """
    folder = _arrived(files)
    if not folder.is_dir():
        return
    if (state := folder / STATE).is_dir():
        shutil.rmtree(files.state, ignore_errors=True)
        state.replace(files.state)
    record = folder / files.record.name
    for path in [*(path for path in folder.iterdir() if path != record), record]:
        if path == record:
            fsync_folder(files.folder)
        if path.exists():
            path.replace(files.folder / path.name)
    fsync_folder(files.folder)
    folder.rmdir()


def _arrived(files: RunFiles) -> Path:
    return files.folder / f".{files.stem}.arrived"


@dataclass
class Finished:
    """The finished run of a configuration on the Hub. A run that was found unusable is not downloaded again."""

    config: RunConfig
    files: RunFiles
    say: Callable[[str], None]
    _unusable: list[dict[str, Any]] = field(default_factory=list)

    def arrives(self) -> bool:
        """Return whether a finished run is on the Hub, after downloading it. Report one that is unusable.

        Raises HubUnavailable if the Hub does not list its files, and DiskFull if the disk has no room.
        """
        repository, folder = hub.repository(), f"{self.config.folder}/{self.files.stem}"
        sha = repositories.head(repository)
        listed = repositories.listing(repository, sha, folder)
        names = [path.name for path in self.files.finished({PurePosixPath(path).name for path in listed})]
        there = {name: listed[f"{folder}/{name}"] for name in names if f"{folder}/{name}" in listed}
        if self.files.record.name not in there or (known := _digests(there)) in self._unusable:
            return False
        self.say(f"the run is finished already on the Hub, in {folder}. Downloading it")
        size = sum(file.size for file in there.values())
        require_space(self.files.folder, size, "the finished run on the Hub")
        try:
            with side_folder(self.files) as gathered:
                for name, file in there.items():
                    repositories.fetch(repository, sha, file, gathered / name)
                self._require_finished(gathered)
                put(gathered, self.files)
        except (InputError, Damaged, HubUnavailable) as error:
            self._unusable += [] if isinstance(error, HubUnavailable) else [known]
            self.say(f"warning: the finished run on the Hub is not used ({error}). {self._instead()}")
            return False
        return True

    def _require_finished(self, gathered: Path) -> None:
        """Raise InputError or Damaged unless the side folder has this run, finished, with its record's sums."""
        try:
            run = Run.load(gathered / self.files.record.name)
        except (InputError, RunFailed) as error:
            raise Damaged(f"its record is damaged or of another version: {error}") from error
        if run.record.run_id != self.config.run_id or not run.done:
            raise InputError(f"it is run {run.record.run_id}, {run.record.status}")
        if run.record.data.streamed:
            raise InputError("an earlier version trained it from the stream")
        sums = run.record.files or {}
        needed = (*_NEEDED, *(["ema"] if run.config.ema else []))
        if lacking := [name for name in needed if name not in sums]:
            raise Damaged(f"its record names no {lacking[0]}")
        for name, path in run.files.named(sums).items():
            if not path.is_file() or sha256(path) != sums[name]:
                raise Damaged(f"{path.name} is {'not as it was written' if path.exists() else 'missing'}")

    def _instead(self) -> str:
        if self.files.state.is_dir():
            return "Training resumes from the state on this machine, which stays as it is"
        return "The run is trained here"


def _digests(there: dict[str, Any]) -> dict[str, Any]:
    """Return what the Hub lists of the files' contents, by name."""
    return {name: (file.size, file.blob_id, file.lfs and file.lfs.sha256) for name, file in there.items()}
