"""The cache: a dataset as one uint8 file per split with its labels, a manifest, and checksums over all of them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app import durable
from app.config import RESIZE
from app.data.decode import stored
from app.data.source import Ask, Example, Source
from app.errors import InputError

FORMAT = 1
_CHUNK = 256  # rows decoded together

Progress = Callable[[str, int, int | None, int], None]  # (split, rows done, rows in all if known, bytes read)


def root() -> Path:
    """Where datasets are kept: $ISOSCALE_CACHE, else $XDG_CACHE_HOME/isoscale, else ~/.cache/isoscale."""
    if given := os.environ.get("ISOSCALE_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "isoscale"


@dataclass(frozen=True)
class Cached:
    """A dataset in the cache, verified; arrays are memory-mapped, read-only."""

    folder: Path
    manifest: dict[str, Any]

    def images(self, split: str) -> np.ndarray:
        """uint8 (rows, channels, side, side)."""
        ask = self.manifest["ask"]
        shape = (self.manifest["rows"][split], ask["channels"], ask["side"], ask["side"])
        return np.memmap(self.folder / f"{split}-images.u8", np.uint8, mode="c", shape=shape)

    def array(self, split: str, name: str) -> np.ndarray:
        """`labels` int64 (rows,), `rows` int64 (rows,) numbers in the source, `groups` int64 (rows,), or
        `moments` int64 (rows, channels, 2): sums of the pixels and of their squares."""
        return np.load(self.folder / f"{split}-{name}.npy", allow_pickle=False)


def _described(ask: Ask) -> dict[str, Any]:
    """The ask as a manifest holds it: what decides the cached bytes."""
    fields = {field.name: getattr(ask, field.name) for field in dataclasses.fields(ask) if field.compare}
    return fields | {"resize": RESIZE, "format": FORMAT}


def find(ask: Ask, version: str | None) -> Cached | None:
    """The newest cache of what is asked for, at that version if one is given; raises InputError if it is damaged."""
    found = []
    for path in (root() / "data").glob("*/manifest.json"):
        manifest = _read_manifest(path)
        if manifest["ask"] == _described(ask) and version in (None, manifest["version"]):
            found.append(Cached(path.parent, manifest))
    if not found:
        return None
    newest = max(found, key=lambda cached: cached.manifest["made"])
    _verify(newest)
    return newest


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(
        f"the cached dataset {folder} is damaged ({what}); remove it with `rm -r '{folder}'` and run again"
    )


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        seal = manifest.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(path.parent, "its manifest cannot be read") from error
    if seal != _seal(manifest):
        raise _damaged(path.parent, "its manifest does not match its checksum")
    return manifest


def _seal(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _verify(cached: Cached) -> None:
    """Compares every file's size and sha256 with the manifest."""
    for name, expected in cached.manifest["files"].items():
        path = cached.folder / name
        if not path.is_file() or path.stat().st_size != expected["bytes"] or durable.sha256(path) != expected["sha256"]:
            raise _damaged(cached.folder, f"{name} does not match its checksum")


def build(ask: Ask, source: Source, progress: Progress) -> Cached:
    """Reads the source once into a new cache folder, renamed into place when whole.

    One process builds, others wait for it. Raises InputError for rows that cannot be used, naming the row.
    """
    described = _described(ask)
    digest = hashlib.sha256(json.dumps([described, source.version], sort_keys=True).encode()).hexdigest()[:10]
    folder = root() / "data" / f"{ask.dataset.replace('/', '--')}-{ask.side}px-{digest}"
    with durable.lock(folder.with_suffix(".lock"), wait=True):
        if (folder / "manifest.json").exists():  # made by the process that was waited for
            return find(ask, source.version) or Cached(folder, _read_manifest(folder / "manifest.json"))
        _require_room(ask, source, folder.parent)
        aside = folder.with_name(f".{folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)  # a crashed writer's
        aside.mkdir(parents=True)
        try:
            _write(ask, source, aside, described, progress)
            aside.replace(folder)
            durable.fsync_folder(folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return Cached(folder, _read_manifest(folder / "manifest.json"))


def _require_room(ask: Ask, source: Source, folder: Path) -> None:
    if None in source.rows.values():
        return
    wanted = sum(rows or 0 for rows in source.rows.values()) * ask.channels * ask.side**2
    durable.require_space(folder, int(wanted * 1.05) + (1 << 20), f"caching {ask.dataset} at {ask.side} px")
    if wanted > 0.6 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        raise InputError(
            f"{ask.dataset} at {ask.side} px is {wanted:,} bytes, more than 60 % of this machine's memory; "
            "take a smaller --image"
        )


def _write(ask: Ask, source: Source, aside: Path, described: dict[str, Any], progress: Progress) -> None:
    labels: dict[str, list[Any]] = {}
    skipped = {}
    with durable.no_space_named(aside / "data"):
        for split in source.rows:
            labels[split], skipped[split] = _write_split(ask, source, split, aside, progress)
        names = _index_labels(ask, source, labels, aside)
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": durable.sha256(path)} for path in sorted(aside.iterdir())
    }
    manifest = {
        "ask": described,
        "version": source.version,
        "rows": {split: len(values) for split, values in labels.items()},
        "unlabelled": skipped,
        "class_names": names,
        "licence": source.licence,
        "files": files,
        "made": time.time(),
    }
    durable.write_text(aside / "manifest.json", json.dumps(manifest | {"seal": _seal(manifest)}, indent=1))


def _write_split(ask: Ask, source: Source, split: str, aside: Path, progress: Progress) -> tuple[list[Any], int]:
    """Decodes one split into its images file; returns the labels of the rows kept and how many had none."""
    labels: list[Any] = []
    rows: list[int] = []
    groups: list[Any] = []
    moments, seen, read = [], 0, 0
    with (aside / f"{split}-images.u8").open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(source.examples(split)):
            kept = [(seen + i, e) for i, e in enumerate(chunk) if _labelled(ask, source, e.label)]
            pixels = np.stack(list(pool.map(lambda item: _decoded(ask, split, *item), kept))) if kept else None
            if pixels is not None:
                file.write(pixels.tobytes())
                wide = pixels.reshape(len(pixels), ask.channels, -1).astype(np.int64)
                moments.append(np.stack([wide.sum(2), (wide * wide).sum(2)], axis=2))
            rows += [row for row, _ in kept]
            labels += [example.label for _, example in kept]
            groups += [example.group for _, example in kept]
            seen, read = seen + len(chunk), read + sum(map(_bytes, chunk))
            progress(split, seen, source.rows[split], read)
    if not labels:
        empty = "no rows" if not seen else f"no labels: none of its {seen:,} rows has one"
        advice = "; --test-fraction 0.2 carves a test set from train instead" if split == "test" and seen else ""
        raise InputError(f"the {split} split of {ask.dataset} has {empty}{advice}")
    np.save(aside / f"{split}-rows.npy", np.array(rows, np.int64))
    np.save(aside / f"{split}-moments.npy", np.concatenate(moments))
    if ask.group_column:
        np.save(aside / f"{split}-groups.npy", np.array([_group_number(group) for group in groups], np.int64))
    return labels, seen - len(labels)


def _bytes(example: Example) -> int:
    return example.image.nbytes if isinstance(example.image, np.ndarray) else len(example.image)


def _chunks(examples: Iterator[Example]) -> Iterator[list[Example]]:
    while chunk := list(itertools.islice(examples, _CHUNK)):
        yield chunk


def _labelled(ask: Ask, source: Source, label: Any) -> bool:
    if label is None or label == -1:
        return False
    unlabelled = ask.row.unlabelled if ask.row else ()
    return not (unlabelled and source.class_names and source.class_names[label] in unlabelled)


def _decoded(ask: Ask, split: str, row: int, example: Example) -> np.ndarray:
    try:
        return stored(example.image, side=ask.side, channels=ask.channels)
    except InputError as error:
        raise InputError(f"row {row} of the {split} split of {ask.dataset}: {error}") from error


def _group_number(group: Any) -> int:
    """A number that stands for a group's name, equal wherever the name is."""
    return int.from_bytes(hashlib.sha256(str(group).encode()).digest()[:8], "big", signed=True)


def _index_labels(ask: Ask, source: Source, labels: dict[str, list[Any]], aside: Path) -> list[str]:
    """Writes labels as class indices and returns the class names; raises InputError for a class that train lacks."""
    unlabelled = ask.row.unlabelled if ask.row else ()
    known = sorted(set(labels["train"]), key=lambda label: (isinstance(label, str), label))
    if source.class_names:
        known = [index for index, name in enumerate(source.class_names) if name not in unlabelled]
    index_of = {label: index for index, label in enumerate(known)}
    names = [source.class_names[label] if source.class_names else str(label) for label in known]
    present = set(labels["train"])
    for split, values in labels.items():
        if strange := sorted(map(str, {value for value in values if value not in present})):
            shown = [names[index_of[int(s)]] if source.class_names else s for s in strange[:3]]
            raise InputError(f"the {split} split of {ask.dataset} has classes that train lacks: {', '.join(shown)}")
        np.save(aside / f"{split}-labels.npy", np.array([index_of[value] for value in values], np.int64))
    return names
