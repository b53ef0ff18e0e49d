"""Runs found only by the names of their files, even if their record is damaged or half removed.

Links are not followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import InputError
from . import index
from .paths import RunFiles

_RECORD = re.compile(r"(?P<stem>model_(?P<id>[0-9a-f]{8})_.+)\.json", re.DOTALL)
_REMOVED = ".removed.aside"
_MARKER = re.compile(rf"\.{_RECORD.pattern}{re.escape(_REMOVED)}", re.DOTALL)
_ID = re.compile(r"[0-9a-f]{1,8}")
_SHOWN = 10  # names in a message


@dataclass(frozen=True)
class Folder:
    """The names in a folder of runs."""

    path: Path
    names: frozenset[str]

    @classmethod
    def of(cls, path: Path) -> Folder:
        """Return the names in a folder. Raise OSError if it cannot be read."""
        try:
            with os.scandir(path) as found:
                return cls(path, frozenset(entry.name for entry in found))
        except (FileNotFoundError, NotADirectoryError):
            return cls(path, frozenset())

    @cached_property
    def stems(self) -> list[str]:
        """The stems of runs, and of runs whose removal was interrupted."""
        found = (_RECORD.fullmatch(name) or _MARKER.fullmatch(name) for name in self.names)
        return sorted({each["stem"] for each in found if each})

    @cached_property
    def hidden(self) -> list[str]:
        """The names that begin with a dot."""
        return sorted(name for name in self.names if name.startswith("."))


def id_of(stem: str) -> str:
    """Return the run ID in a stem."""
    return stem.split("_")[1]


def marker(files: RunFiles) -> Path:
    """Return the renamed record of a run that is being removed. `train` removes such a file."""
    return files.record.with_name(f".{files.record.name}{_REMOVED}")


def below(checkpoints: Path) -> Iterator[tuple[RunFiles, Folder]]:
    """Yield the runs and leftovers in a folder and below it, each with its folder. Hidden folders are skipped."""
    for at, inside, names in os.walk(checkpoints):
        folder = Folder(Path(at), frozenset([*inside, *names]))
        inside[:] = sorted(filter(index.is_looked_at, inside))
        for stem in folder.stems:
            yield RunFiles(folder.path, stem), folder


def named(text: str, checkpoints: Path) -> list[tuple[RunFiles, Folder]]:
    """Return the run that a text names: by a path, by one of its files, or by the beginning of its ID.

    An ID means every copy of the run below the checkpoints. Raises InputError for none or several runs.
    """
    path = Path(text).expanduser()
    if not _ID.fullmatch(text) or os.path.lexists(path) or os.path.lexists(path.with_name(f"{path.name}.json")):
        return _at_path(path)
    found = [each for each in below(checkpoints) if id_of(each[0].stem).startswith(text)]
    return _one(found, f"runs in {checkpoints} have an ID that begins with {text}")


def _at_path(path: Path) -> list[tuple[RunFiles, Folder]]:
    """Return the run whose files a path begins with, or the only one in a folder and below it."""
    if path.is_dir() and index.is_looked_at(path.resolve().name):
        return _one([*below(path)], f"runs are in the folder {path}")
    folder = Folder.of(path.parent)
    fitting = sorted((stem for stem in folder.stems if path.name.startswith(stem)), key=len)
    return _one([(RunFiles(folder.path, stem), folder) for stem in fitting[-1:]], f"runs are at {path}")


def _one(found: list[tuple[RunFiles, Folder]], what: str) -> list[tuple[RunFiles, Folder]]:
    """Return the runs that were found. Raise InputError unless it is one run, or copies of it."""
    if len(ids := sorted({id_of(files.stem) for files, _ in found})) == 1:
        return found
    which = f"Name one of them: {_few(ids)}" if ids else "`run.py runs` lists the runs in --checkpoints"
    raise InputError(f"{len(ids)} {what}. {which}")


def _few(names: Iterable[str]) -> str:
    found = [*names]
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
