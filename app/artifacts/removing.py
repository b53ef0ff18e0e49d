"""Deleting runs: the files of a run, and their removal, which a kill leaves undone or for the next removal.

The record is renamed first, which ends the run, and removed last. A renamed record (the marker) without a record means
that the files of its stem are leftovers. Files are found by their names. A link is removed, but not its target.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..config.conditions import Condition
from ..errors import Explained, Held, InputError
from ..system import locks, storage
from ..system.durable import fsync_folder
from . import record, stems
from .listing import listed, state_of, stem_of
from .paths import RunFiles
from .stems import Folder

Say = Callable[[str], None]
Seen = tuple[int, int, int]  # a record's time, size and inode


@dataclass(frozen=True)
class Removal:
    """The files of one run that are to be deleted, with their bytes at the time when they were listed."""

    files: RunFiles
    parts: dict[Path, int]
    seen: Seen | None  # None: leftovers of an interrupted removal

    @property
    def run_id(self) -> str:
        """The run's ID, from the name of its files."""
        return stems.id_of(self.files.stem)

    @property
    def bytes(self) -> int:
        """The bytes of all files."""
        return sum(self.parts.values())

    @property
    def others(self) -> list[str]:
        """Names that begin like the run's files but are not among them. Those files are kept."""
        own = {path.name for path in self.parts} | {self.files.lock.name}
        names = Folder.of(self.files.folder).names
        return [name for name in names if name.startswith(self.files.stem) and name not in own]

    @property
    def state(self) -> str:
        """The state of the run for a reader, or the reason why it has none."""
        if self.seen is None:
            return "left by an interrupted removal"
        try:
            about = record.read(self.files.record)
        except Explained:
            return "damaged record"
        return state_of(self.files, about.status, about.schedule.total_steps)[0]


def removal_of(files: RunFiles, folder: Folder | None = None) -> Removal:
    """Return the removal of these files. `folder` has the names next to them, if they are known."""
    folder = folder or Folder.of(files.folder)
    of_others = {
        path.name
        for stem in folder.stems if stem != files.stem and stem.startswith(files.stem)
        for path in RunFiles(files.folder, stem).all(folder.names)
    }  # fmt: skip
    own = [*(path.name for path in files.all(folder.names) if path != files.lock), stems.marker(files).name]
    there = [name for name in own if name in folder.names and name not in of_others]
    there += [name for name in folder.hidden if files.is_half_written(name)]
    parts = {path: storage.taken(path) for path in map(files.folder.joinpath, there)}
    return Removal(files, parts, _seen(files.record))


def remove(removal: Removal) -> int:
    """Delete the files, and return their bytes.

    Raises Held if another process trains or evaluates the run, and InputError if the run changed since it was listed.
    """
    files, marker = removal.files, stems.marker(removal.files)
    with locks.lock(files.lock, wait=False):
        now = removal_of(files)
        if now.seen != removal.seen:
            raise InputError(f"run {removal.run_id} changed since it was listed. Run the same command again")
        if now.seen:
            files.record.rename(marker)
            fsync_folder(files.folder)
        for path in now.parts:
            if path not in (files.record, marker):
                storage.remove(path)
        fsync_folder(files.folder)
    storage.remove(marker)  # last, even after the lock's file
    return now.bytes


def remove_folder(removal: Removal, root: Path) -> None:
    """Remove the folder of a removed run if it is empty and below the root."""
    above = Path(os.path.realpath(removal.files.folder)).parents
    if Path(os.path.realpath(root)) in above:
        with suppress(OSError):  # the folder has other files, or those of a run that begins
            removal.files.folder.rmdir()


def require_free(removals: Iterable[Removal]) -> None:
    """Raise Held, before anything is deleted, for a run that another process trains or evaluates."""
    for removal in removals:
        if locks.is_held(removal.files.lock):
            raise Held(
                f"run {removal.run_id} is in use by another process, and nothing was deleted. Stop that process, or "
                "wait until it ends"
            )


def chosen(
    names: Collection[str], checkpoints: Path, say: Say, where: Collection[Condition], only: Collection[str]
) -> list[Removal]:
    """Return the removals of the selected runs, and of what interrupted removals left.

    Runs are named, or selected by conditions and states. Runs behind links are kept, and reported by `say`. Raises
    InputError if nothing is selected.
    """
    if names and (where or only):
        raise InputError(f"{next(iter(names))} and --where or --state both select runs. Use one of them")
    found = [each for name in names for each in stems.named(name, checkpoints)]
    if where or only:
        fitting = {run.entry.run_id: run for run in listed(checkpoints, say, where, only)}
        found = [each for each in stems.below(checkpoints) if stems.id_of(each[0].stem) in fitting]
        there = {stems.id_of(files.stem) for files, _ in found}
        for run in (run for run_id, run in fitting.items() if run_id not in there):
            say(f"kept: run {run.entry.run_id} is behind a link. Delete it by its path {stem_of(run.files)}")
    removals = [removal_of(*each) for each in found]
    paths = {removal.files.record for removal in removals}
    removals += [left for left in leftovers(checkpoints) if left.files.record not in paths]
    if removals and (found or not (names or where or only)):
        return [*{removal.files.record: removal for removal in removals}.values()]
    raise InputError(
        f"no run in {checkpoints} is selected. Name runs by ID or path, or select them with --where or --state; "
        "`run.py runs` lists them"
    )


def leftovers(checkpoints: Path) -> list[Removal]:
    """Return what interrupted removals left below the checkpoints, unless a process uses it."""
    found = [removal_of(*each) for each in stems.below(checkpoints) if not os.path.lexists(each[0].record)]
    return [removal for removal in found if not locks.is_held(removal.files.lock)]


def _seen(path: Path) -> Seen | None:
    try:
        about = path.lstat()
    except FileNotFoundError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
