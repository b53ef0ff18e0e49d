"""Deleting from the cache.

A folder is renamed first. After a kill it is either a complete dataset, or a leftover that a build or `cache clear`
removes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ...errors import Held, InputError
from ...system import locks, storage
from ...system.durable import fsync_folder
from ...tables.datasets import dataset_name
from ...tables.names import suggestion
from . import known
from .contents import Contents, Dataset, aside_of, lock_of

_EMPTY = "nothing is selected. Name a cached dataset, or use --all; `run.py cache` lists what is cached"


@dataclass(frozen=True)
class Part:
    """One item that is deleted."""

    name: str
    path: Path
    bytes: int
    paths: tuple[Path, ...] = ()  # inside a folder that is kept; empty: the path itself


def chosen(found: Contents, names: Collection[str], *, everything: bool) -> list[Part]:
    """Return the items to delete: the named datasets or everything, and what interrupted builds left.

    Raises InputError for an unknown name, and if there is nothing to delete.
    """
    if names and everything:
        raise InputError(f"{next(iter(names))} and --all both select datasets. Use one of them")
    datasets = found.datasets if everything else [each for name in names for each in _called(name, found.datasets)]
    parts = [
        Part(f"{each.name} at {each.side}", each.folder, each.bytes)
        for each in {one.folder: one for one in datasets}.values()
    ]
    free = [path for path in found.unfinished if everything or not locks.is_held(lock_of(path))]
    parts += [Part("left by an interrupted build", path, storage.taken(path)) for path in free]
    if everything:
        parts += [
            Part(each.what, each.path, each.bytes, each.paths) for each in found.others if each.what and each.paths
        ]
    if not parts:
        raise InputError(_EMPTY if not everything else f"the cache {found.root} is empty. There is nothing to delete")
    return parts


def require_free(parts: Collection[Part]) -> None:
    """Raise Held, before anything is deleted, if another process builds or checks one of the datasets."""
    for part in parts:
        if not part.paths and locks.is_held(lock_of(part.path)):
            raise Held(
                f"{part.path} is in use by another process, and nothing was deleted. Wait until that process ends, or "
                "stop it"
            )


def remove(part: Part) -> int:
    """Delete a part, and return its bytes. Raise Held if another process builds or checks the dataset."""
    if part.paths:
        for path in part.paths:
            storage.remove(path)
        return part.bytes
    lock = lock_of(part.path)
    if part.path == lock or part.path.name.startswith(f"{lock.name}."):  # of a process that was killed
        with locks.lock(lock, wait=False):
            return part.bytes  # releasing the lock removes both
    with locks.lock(lock, wait=False):
        aside = part.path if part.path.name.startswith(".") else aside_of(part.path)
        if aside != part.path:
            known.forget(part.path)
            storage.remove(aside)
            part.path.replace(aside)
            fsync_folder(part.path.parent)
        storage.remove(aside)
    return part.bytes


def _called(name: str, datasets: Collection[Dataset]) -> list[Dataset]:
    """Return the datasets of a name.

    The name is a dataset's, at every side, a folder's, or the first part of a folder's name.
    """
    if found := [each for each in datasets if each.folder.name == name or each.folder.name.startswith(f"{name}-")]:
        return found
    try:
        own = dataset_name(name)
    except InputError:
        own = name
    if found := [each for each in datasets if each.name == own]:
        return found
    there = list(dict.fromkeys(each.name for each in datasets))
    raise InputError(f"no cached dataset is called {name}. {_near(name, there)}")


def _near(name: str, there: list[str]) -> str:
    if not there:
        return "The cache has no datasets"
    text = suggestion(name, there)
    return text[0].upper() + text[1:]
