"""The cache: a dataset as one file of inputs per split with its labels, a manifest, and checksums over all of them."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import math
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...config.run import RESIZE
from ...errors import Damaged, DiskFull, InputError
from ...system import durable, memory
from ...tables.reading import FieldReading
from ...tables.shape import extent, normal, spelled, with_unit
from ..sources.source import Ask, Source
from . import heldout, writer
from .writer import Progress, Room, TooLarge

FORMAT = 1
_SHARE_OF_MEMORY = 0.6  # of the host's, for a dataset


def root() -> Path:
    """Where datasets are kept: $ISOSCALE_CACHE, else $XDG_CACHE_HOME/isoscale, else ~/.cache/isoscale."""
    if given := os.environ.get("ISOSCALE_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "isoscale"


@dataclass(frozen=True)
class Cached:
    """A dataset in the cache."""

    folder: Path
    manifest: dict[str, Any]
    ask: Ask

    @property
    def streamed(self) -> bool:
        """Whether it holds validation and test only, and training rows are read anew each epoch."""
        return "stream" in self.manifest

    def images(self, split: str) -> np.ndarray:
        """The inputs as they are stored, memory-mapped; writing to it does not reach the file.

        Images are uint8 (rows, channels, H, W); fields and signals float32 or float16 (rows, C, H, W) or (rows, C, L).
        """
        ask = self.manifest["ask"]
        dtype, shape = "uint8", (ask["channels"], *extent(normal(ask["side"])))
        if array := self.manifest.get("array"):
            dtype, shape = array["dtype"], array["shape"]
        path = self.folder / writer.inputs_file(split, dtype)
        return np.memmap(path, dtype, mode="c", shape=(self.manifest["rows"][split], *shape))

    @property
    def has_array(self) -> bool:
        """Whether the inputs are no images: they are given to a model as they are."""
        return "array" in self.manifest

    def array(self, split: str, name: str) -> np.ndarray:
        """`labels` int64 (rows,), float32 of a regression; `rows` int64 (rows,) numbers in the source, `groups` int64
        (rows,), `names` of simulations (rows,), or `moments` int64 (rows, channels, 2): sums of the pixels and of their
        squares.
        """
        return np.load(self.folder / f"{split}-{name}.npy", allow_pickle=False)

    def verified(self) -> Cached:
        """Itself, its files compared with the manifest by size and sha256; raises InputError if one differs."""
        for name, expected in self.manifest["files"].items():
            path = self.folder / name
            whole = path.is_file() and path.stat().st_size == expected["bytes"]
            if not whole or durable.sha256(path) != expected["sha256"]:
                raise _damaged(self.folder, f"{name} does not match its checksum")
        return self


def _described(ask: Ask, *, streamed: bool) -> dict[str, Any]:
    """The ask as a manifest holds it: what decides the cached bytes."""
    fields = {field.name: getattr(ask, field.name) for field in dataclasses.fields(ask) if field.compare}
    if streamed:
        assert ask.membership
        fields["membership"] = dataclasses.asdict(ask.membership)
    if ask.reading:
        fields["reading"] = dataclasses.asdict(ask.reading)
    described = fields | {"resize": RESIZE, "format": FORMAT}
    return dict(json.loads(json.dumps(described)))  # as it is read again: lists for tuples


def _stem(ask: Ask) -> str:
    """What the names of a dataset's cache folders at one side begin with."""
    return f"{ask.dataset.replace('/', '--')}-{spelled(ask.side)}px-"


def find(ask: Ask, version: str | None) -> Cached | None:
    """The newest cache of what is asked for, of that version if one is given; its files are not looked at yet.

    Raises InputError for a manifest of that dataset that is damaged.
    """
    kinds = (False, True) if ask.streamed is None else (ask.streamed,)
    described = [_described(ask, streamed=streamed) for streamed in kinds if ask.membership or not streamed]
    found = []
    for path in (root() / "data").glob(f"{glob.escape(_stem(ask))}*/manifest.json"):
        manifest = _read_manifest(path.parent)
        if manifest["ask"] in described and version in (None, manifest["version"]):
            found.append(Cached(path.parent, manifest, ask))
    return max(found, key=lambda cached: cached.manifest["made"], default=None)


def _damaged(folder: Path, what: str) -> Damaged:
    return Damaged(f"the cached dataset {folder} is damaged ({what}); remove it with `rm -r '{folder}'` and run again")


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        seal = manifest.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(folder, "its manifest cannot be read") from error
    if seal != _seal(manifest):
        raise _damaged(folder, "its manifest does not match its checksum")
    return manifest


def _seal(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def build(ask: Ask, source: Source, progress: Progress, *, streamed: bool = False) -> Cached:
    """Reads the source once into a new cache folder, renamed into place when whole; if `streamed`, its held-out rows.

    One process builds, others wait for it. Raises InputError for rows that cannot be used, naming the row, and
    TooLarge where memory or disk have no room for them.
    """
    described, write = _described(ask, streamed=streamed), heldout.write if streamed else writer.write
    digest = hashlib.sha256(json.dumps([described, source.version], sort_keys=True).encode()).hexdigest()[:10]
    folder = root() / "data" / f"{_stem(ask)}{digest}"
    _require_writable(folder.parent)
    with durable.lock(folder.with_name(f".{folder.name}.lock"), wait=True):
        if folder.exists():  # made by the process that was waited for
            return Cached(folder, _read_manifest(folder), ask).verified()
        room = _room(ask, folder.parent, streamed=streamed)
        _require_room(ask, source, folder.parent, streamed=streamed)
        aside = folder.with_name(f".{folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)  # a killed writer's
        aside.mkdir()
        try:
            facts = write(ask, source, aside, progress, room)
            manifest = {"ask": described, **facts, "files": _checksums(aside), "made": time.time()}
            durable.write_text(aside / "manifest.json", json.dumps(manifest | {"seal": _seal(manifest)}, indent=1))
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
        raise InputError(f"the cache folder {folder} cannot be written; set ISOSCALE_CACHE to a folder that can")


def _most(ask: Ask) -> float:
    """Bytes that a dataset may take, but for the disk's limit: fields and signals stay in their mapped files."""
    return math.inf if ask.reading else _memory()


def _memory() -> float:
    """Bytes of host memory that a dataset may take."""
    return _SHARE_OF_MEMORY * memory.total()


def _what(ask: Ask, *, streamed: bool) -> str:
    return f"{'validation and test of ' if streamed else ''}{ask.dataset} at {with_unit(ask.side)}"


def _room(ask: Ask, folder: Path, *, streamed: bool) -> Room:
    """What may be written: no more than memory allows and than is free, so that rows may come without a count."""
    most, free = _most(ask), shutil.disk_usage(folder).free
    limit = f"{_SHARE_OF_MEMORY:.0%} of this machine's memory" if most < free else f"the bytes free in {folder}"
    refusal = f"{_what(ask, streamed=streamed)} is more than {limit}; {_smaller(ask)}"
    return Room(min(most, free), refusal)


def _require_room(ask: Ask, source: Source, folder: Path, *, streamed: bool) -> None:
    """Raises TooLarge before a row is read, where the source says how many there are."""
    if None in source.rows.values():
        return
    rows = sum(rows or 0 for rows in source.rows.values())
    if streamed:
        rows = heldout.expected(ask, source)
    shape = source.array.shape if source.array else (ask.channels, *extent(ask.side))
    wanted, what = rows * math.prod(shape) * ask.itemsize, _what(ask, streamed=streamed)
    try:
        durable.require_space(folder, int(wanted * 1.05) + (1 << 20), f"caching {what}")
    except DiskFull as error:
        raise TooLarge(f"{error}; {_smaller(ask)}" if ask.reading else str(error)) from error
    if wanted > _most(ask):
        raise TooLarge(
            f"{what} is {wanted:,} bytes, more than {_SHARE_OF_MEMORY:.0%} of this machine's memory; {_smaller(ask)}"
        )


def _smaller(ask: Ask) -> str:
    """What takes less room."""
    if not ask.reading:
        return "take a smaller --image"
    part = "--crop" if isinstance(ask.reading, FieldReading) else "--range"
    half = " or --stored-dtype float16" if ask.reading.stored_dtype == "float32" else ""
    return f"take a smaller part by {part}{half}"
