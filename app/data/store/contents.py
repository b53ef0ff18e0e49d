"""The contents of the cache folder: datasets, leftovers of interrupted builds, and everything else in it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ...system import durable, home, locks, storage
from ...tables.shape import normal, with_unit
from . import known, manifest
from .manifest import Manifest

_NAME = re.compile(r"(?P<dataset>.+)-(?P<side>\d+(?:x\d+)*)px-[0-9a-f]{10}", re.DOTALL)
_UNFINISHED = re.compile(rf"\.(?P<name>{_NAME.pattern})\.(?:aside|lock|lock\.by)", re.DOTALL)
_RECORD = re.compile(r"model_[0-9a-f]{8}_.+\.json", re.DOTALL)
_OTHERS: Mapping[str, tuple[str, str]] = {  # folder -> pattern of its names, and its contents
    "runs": (r".+--.+", "runs downloaded from the Hub for `evaluate`, `predict` and `runs show`"),
    "reproductions": (r"[0-9a-f]{8}", "runs that `reproduce` trained"),
    "measured": (r".+-[0-9a-f]{16}\.json", "what was measured or counted once"),
    "verified": (r"[0-9a-f]{16}\.json", "which files were compared with their checksums"),
    "labels": (r"[0-9a-f]{64}\.(?:parquet|csv|npy)", "files of --label-noise"),
    "compiled": (r"[0-9a-z]{2}|fxgraph|aotautograd|triton|locks", "compiled programs"),
}


@dataclass(frozen=True)
class Dataset:
    """A cached dataset at one side."""

    folder: Path
    manifest: Manifest | None  # None: it cannot be read

    @property
    def name(self) -> str:
        """The name of the dataset, as `--dataset` accepts it; for a folder, `local/` and the folder's name."""
        if self.manifest:
            return str(self.manifest.ask.get("dataset"))
        found = _NAME.fullmatch(self.folder.name)
        assert found, "the folder was found by this name"
        return found["dataset"].replace("--", "/")

    @property
    def side(self) -> str:
        """The size of one input."""
        if self.manifest:
            with suppress(ValueError, KeyError):
                return with_unit(normal(self.manifest.ask["side"]))
        return "an unknown size (damaged)"

    @cached_property
    def bytes(self) -> int:
        """The bytes of its files."""
        return storage.taken(self.folder)

    @property
    def made(self) -> float | None:
        """The time at which it was completed, in seconds since 1970."""
        return self.manifest.made if self.manifest else None

    @property
    def used(self) -> float | None:
        """The time at which one of its files was last read, in seconds since 1970, if the file system records it."""
        times = [
            found.st_atime for name in (self.manifest.files if self.manifest else ()) if (found := self._about(name))
        ]
        return max(times, default=self.made)

    @property
    def verified(self) -> bool:
        """Whether all files matched their checksums since this machine was started, and did not change."""
        return self.manifest is not None and known.all_seen(self.folder, self.manifest.files)

    @property
    def lock(self) -> Path:
        """The lock of a process that builds it, or that checks it after another process built it."""
        return lock_of(self.folder)

    def to_json(self) -> dict[str, Any]:
        """Return the dataset as a JSON object. If it is damaged, `rows` and the times are null."""
        found = self.manifest
        return {
            "dataset": self.name, "side": found.ask.get("side") if found else None,
            "version": found.version if found else None, "rows": found.rows if found else None,
            "folder": str(self.folder), "bytes": self.bytes, "made": _spelled(self.made), "used": _spelled(self.used),
            "verified": self.verified, "damaged": found is None, "in_use": locks.is_held(self.lock),
        }  # fmt: skip

    def _about(self, name: str) -> os.stat_result | None:
        with suppress(OSError):
            return (self.folder / name).stat()
        return None


@dataclass(frozen=True)
class Other:
    """Another item of the cache. `what` describes it, and is empty if the program did not make it."""

    path: Path
    what: str
    paths: tuple[Path, ...]  # the paths that removing it deletes

    @cached_property
    def bytes(self) -> int:
        """The bytes of its files."""
        return sum(map(storage.taken, self.paths or (self.path,)))

    def to_json(self) -> dict[str, Any]:
        """Return the item as a JSON object."""
        return {"path": str(self.path), "what": self.what, "bytes": self.bytes}


@dataclass(frozen=True)
class Contents:
    """The contents of the cache folder."""

    root: Path
    datasets: list[Dataset]
    unfinished: list[Path]  # of interrupted builds, or of builds in progress
    others: list[Other]

    @property
    def bytes(self) -> int:
        """The bytes of everything that the program made."""
        others = sum(other.bytes for other in self.others if other.what)
        return sum(each.bytes for each in self.datasets) + others + sum(map(storage.taken, self.unfinished))

    @property
    def free(self) -> int:
        """The free bytes of the disk."""
        return shutil.disk_usage(durable.standing(self.root)).free

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        half = [{"path": str(path), "bytes": storage.taken(path), "in_use": locks.is_held(lock_of(path))}
                for path in self.unfinished]  # fmt: skip
        return {
            "folder": str(self.root), "bytes": self.bytes, "free_bytes": self.free,
            "datasets": [each.to_json() for each in self.datasets], "unfinished": half,
            "others": [each.to_json() for each in self.others],
        }  # fmt: skip


def contents() -> Contents:
    """Return the contents of the cache folder. A folder that does not exist is empty."""
    root = home.root()
    inside = _listed(root / "data")
    datasets = [_dataset(path) for path in inside if _NAME.fullmatch(path.name) and path.is_dir()]
    unfinished = [path for path in inside if _UNFINISHED.fullmatch(path.name)]
    made = {each.folder for each in datasets} | set(unfinished)
    strangers = [Other(path, "", ()) for path in inside if path not in made]
    ordered = sorted(datasets, key=lambda each: (each.name, each.folder.name))
    return Contents(root, ordered, unfinished, [*_others(root), *strangers])


def lock_of(path: Path) -> Path:
    """Return the lock of a dataset's folder, or of a leftover of an interrupted build."""
    found = _UNFINISHED.fullmatch(path.name)
    return path.with_name(f".{found['name'] if found else path.name}.lock")


def aside_of(folder: Path) -> Path:
    """Return the folder in which a dataset is built. A dataset is renamed to it before it is deleted."""
    return folder.with_name(f".{folder.name}.aside")


def _others(root: Path) -> Iterator[Other]:
    """Yield everything in the cache folder except the datasets."""
    for path in _listed(root):
        if path.name in _OTHERS and path.is_dir():
            names, what = _OTHERS[path.name]
            inside = _listed(path)
            own = [each for each in inside if re.fullmatch(names, each.name, re.DOTALL)]
            own = [each for each in own if path.name != "runs" or _has_run(each)]
            if own:
                yield Other(path, what, tuple(own))
            yield from (Other(each, "", ()) for each in inside if each not in own)
        elif path.name != "data":
            yield Other(path, "", ())


def _has_run(folder: Path) -> bool:
    """Return whether a downloaded run is in a folder or below it. Links are not followed."""
    return any(_RECORD.fullmatch(name) for _, _, names in os.walk(folder) for name in names)


def _dataset(folder: Path) -> Dataset:
    try:
        return Dataset(folder, manifest.read(folder))
    except manifest.Unreadable:
        return Dataset(folder, None)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _spelled(seconds: float | None) -> str | None:
    """Return a time in UTC, ISO 8601."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
