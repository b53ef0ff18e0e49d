"""The cache of a dataset: one file of inputs per split, its labels, a manifest, and checksums over all of them."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...config.run import RESIZE
from ...errors import Damaged, InputError, OtherData
from ...system import durable, home, locks
from ...tables.decoding import Decoding
from ...tables.shape import extent, normal, spelled
from ..sources.layout import Layout
from ..sources.source import Ask, Source
from . import known, room, writer
from . import manifest as manifests
from .files import DECISIVE, files_list, inputs_file
from .manifest import Manifest
from .writer import Progress

FORMAT = 1


@dataclass(frozen=True)
class Cached:
    """A dataset in the cache."""

    folder: Path
    manifest: Manifest
    ask: Ask

    def images(self, split: str) -> np.ndarray:
        """Return the inputs as they are stored, memory-mapped. Writing to the array does not change the file.

        Images are uint8 (rows, channels, H, W). Fields and signals are float32 or float16 (rows, C, H, W) or (rows, C,
        L).
        """
        ask = self.manifest.ask
        dtype, shape = "uint8", (ask["channels"], *extent(normal(ask["side"])))
        if array := self.manifest.array:
            dtype, shape = array.dtype, tuple(array.shape)
        path = self.folder / inputs_file(split, dtype)
        return np.memmap(path, dtype, mode="c", shape=(self.manifest.rows[split], *shape))

    @property
    def has_array(self) -> bool:
        """Whether the inputs are not images. Such inputs are passed to a model unchanged."""
        return self.manifest.array is not None

    def array(self, split: str, name: str) -> np.ndarray:
        """Return one array of a split by its name.

        `labels` int64 (rows,), or float32 for a regression. `rows` int64 (rows,), the row numbers in the source.
        `groups` int64 (rows,). `names` of simulations (rows,). `moments` int64 (rows, channels, 2): sums of the pixels
        and of their squares.
        """
        return np.load(self.folder / f"{split}-{name}.npy", allow_pickle=False)

    @property
    def layout(self) -> Layout:
        """The sources of its splits, and what is left out of them."""
        return Layout.from_json(self.manifest.layout)

    def files(self, split: str) -> list[str] | None:
        """Return the file of each row, as a path within the dataset's folder, or None if the cache has no such list."""
        name = files_list(split)
        return json.loads((self.folder / name).read_bytes()) if name in self.manifest.files else None

    @property
    def digest(self) -> str:
        """16 hex digits over the inputs, labels, row numbers and groups that a run is trained and tested on.

        They are computed from the manifest's checksums, so no file is read.
        """
        sums = {name: file.sha256 for name, file in self.manifest.files.items() if name.endswith(DECISIVE)}
        return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()[:16]

    def require_digest(self, digest: str | None) -> Cached:
        """Return the cache. Raise OtherData unless its arrays have a run's digest.

        `digest` is None for a run of an earlier version.
        """
        if digest in (None, self.digest):
            return self
        raise OtherData(
            f"the cached arrays of {self.ask.dataset} in {self.folder} differ from those that the run began with: "
            f"their digest is {self.digest}, and the run's is {digest}. Copy the folder from the machine where the "
            f"run began, remove it with `rm -r '{self.folder}'` so that the data are read again, or train with "
            "--fresh"
        )

    def verified(self, *, again: bool = False) -> Cached:
        """Return the cache after its files are compared with the manifest by size and sha256.

        Raises Damaged if a file differs. A file that was compared since this machine was started, and has not changed,
        is hashed only with `again`.
        """
        if (name := known.differing(self.folder, self.manifest.files, again=again)) is not None:
            raise _damaged(self.folder, f"{name} does not match its checksum")
        return self


def _described(ask: Ask) -> dict[str, Any]:
    """Return the ask as a manifest records it: the fields that decide the cached bytes."""
    compared = [field for field in dataclasses.fields(ask) if field.compare]
    fields = {field.name: getattr(ask, field.name) for field in compared}
    for field in compared:  # fields that the manifests of earlier versions lack
        if field.metadata.get("later") and fields[field.name] == field.default:
            del fields[field.name]
    if ask.reading:
        fields["reading"] = dataclasses.asdict(ask.reading)
    if ask.decoding != Decoding():
        fields["decoding"] = dataclasses.asdict(ask.decoding)
    described = fields | {"resize": RESIZE, "format": FORMAT}
    return dict(json.loads(json.dumps(described)))  # as it is read back: lists instead of tuples


def _stem(ask: Ask) -> str:
    """Return the first part of the names of a dataset's cache folders at one side."""
    return f"{ask.dataset.replace('/', '--')}-{spelled(ask.side)}px-"


def find(ask: Ask, version: str | None) -> Cached | None:
    """Return the newest cache of an ask, of a version if one is given. Its files are not checked yet.

    Raises InputError if a manifest of the dataset is damaged.
    """
    described, found = _described(ask), []
    for path in (home.root() / "data").glob(f"{glob.escape(_stem(ask))}*/manifest.json"):
        manifest = _read_manifest(path.parent)
        if manifest.ask == described and version in (None, manifest.version):
            found.append(Cached(path.parent, manifest, ask))
    return max(found, key=lambda cached: cached.manifest.made, default=None)


def of_streams(ask: Ask) -> list[Path]:
    """Return the folders that earlier versions made for streaming a dataset. Nothing reads them."""
    there = (home.root() / "data").glob(f"{glob.escape(_stem(ask))}*/manifest.json")
    return [path.parent for path in there if _read_manifest(path.parent).stream is not None]


def _damaged(folder: Path, what: str) -> Damaged:
    return Damaged(
        f"the cached dataset {folder} is damaged ({what}). Remove it with `rm -r '{folder}'`, and run the command again"
    )


def _read_manifest(folder: Path) -> Manifest:
    try:
        return manifests.read(folder)
    except manifests.Unreadable as error:
        raise _damaged(folder, str(error)) from error


def build(ask: Ask, source: Source, progress: Progress, say: Callable[[str], None] = lambda _: None) -> Cached:
    """Read the source once into a new cache folder, which is renamed into place when it is complete.

    One process builds. The others wait for it and report its holder. Raises InputError for rows that cannot be used,
    naming the row, and DiskFull if the disk has no room for them. If the source knows its number of rows, the room is
    checked before a row is read.
    """
    described = _described(ask)
    digest = hashlib.sha256(json.dumps([described, source.version], sort_keys=True).encode()).hexdigest()[:10]
    folder = home.root() / "data" / f"{_stem(ask)}{digest}"
    _require_writable(folder.parent)
    wait = f"waiting for another command ({{}}) that builds the cache of {ask.dataset}. If it hangs, end that process"
    lock = folder.with_name(f".{folder.name}.lock")
    with locks.lock(lock, wait=True, waiting=lambda holder: say(wait.format(holder))):
        if folder.exists():  # built by the process that this one waited for
            return Cached(folder, _read_manifest(folder), ask).verified()
        left = room.left(ask, source, folder.parent)
        aside = folder.with_name(f".{folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)  # left by a killed writer
        aside.mkdir()
        try:
            facts = writer.write(ask, source, aside, progress, left)
            manifest = manifests.of({"ask": described, **facts, "files": _checksums(aside), "made": time.time()})
            manifests.write(aside, manifest)
            aside.replace(folder)
            durable.fsync_folder(folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Cached(folder, manifest, ask)


def _checksums(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(folder.iterdir())
    return {path.name: {"bytes": path.stat().st_size, "sha256": durable.sha256(path)} for path in files}


def _require_writable(folder: Path) -> None:
    try:
        durable.make_folder(folder)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise InputError(
            f"the cache folder {folder} cannot be written. Set ISOSCALE_CACHE to a folder that you may write"
        )
