"""Writing a source's rows into a cache folder: decoded, counted, labels as class indices."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app import durable
from app.data.decode import stored
from app.data.source import Ask, Example, Source
from app.errors import InputError

_CHUNK_ROWS, _CHUNK_BYTES = 128, 1 << 27  # decoded together: whichever is reached first
_CARVE = "--test-fraction 0.2 carves a test set from train instead"

Progress = Callable[[str, int, int | None, int], None]  # (split, rows done, rows in all if known, bytes read)


@dataclass
class _Kept:
    """What is remembered of one split while its pixels are written, a line per row that has a label."""

    rows: list[int] = field(default_factory=list)  # numbers in the source
    labels: list[Any] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    moments: list[np.ndarray] = field(default_factory=list)  # int64 (C, 2) each
    seen: int = 0


def write(ask: Ask, source: Source, folder: Path, progress: Progress) -> dict[str, Any]:
    """Writes every split of the source; returns what the manifest says of it. Raises InputError for unusable rows.

    Test comes first: it is the smaller, and the one more often without labels.
    """
    with durable.no_space_named(folder):
        splits = {split: _write_split(ask, source, split, folder, progress) for split in sorted(source.rows)}
        names = _write_labels(ask, source, splits, folder)
    return {
        "version": source.version,
        "rows": {split: len(kept.labels) for split, kept in splits.items()},
        "unlabelled": {split: kept.seen - len(kept.labels) for split, kept in splits.items()},
        "class_names": names,
        "licence": source.licence,
    }


def _write_split(ask: Ask, source: Source, split: str, folder: Path, progress: Progress) -> _Kept:
    """Decodes one split into its images file and saves what is known of its rows, labels excepted."""
    kept, read = _Kept(), 0
    with (folder / f"{split}-images.u8").open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(source.examples(split)):
            labelled = [(kept.seen + i, e) for i, e in enumerate(chunk) if _labelled(ask, source, e.label)]
            for pixels, moments in pool.map(lambda item: _decoded(ask, split, *item), labelled):
                file.write(pixels.tobytes())
                kept.moments.append(moments)
            kept.rows += [row for row, _ in labelled]
            kept.labels += [example.label for _, example in labelled]
            kept.groups += [example.group for _, example in labelled]
            kept.seen, read = kept.seen + len(chunk), read + sum(example.size for example in chunk)
            progress(split, kept.seen, source.rows[split], read)
    if not kept.labels:
        empty = f"no labels: none of its {kept.seen:,} rows has one" if kept.seen else "no rows"
        raise InputError(f"the {split} split of {ask.dataset} has {empty}{f'; {_CARVE}' if split == 'test' else ''}")
    _save(folder / f"{split}-rows.npy", np.array(kept.rows, np.int64))
    _save(folder / f"{split}-moments.npy", np.stack(kept.moments))
    if ask.group_column:
        _save(folder / f"{split}-groups.npy", np.array([_group_number(group) for group in kept.groups], np.int64))
    return kept


def _save(path: Path, array: np.ndarray) -> None:
    """`np.save`, which by itself does not say why a write failed."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    path.write_bytes(buffer.getbuffer())


def _chunks(examples: Iterator[Example]) -> Iterator[list[Example]]:
    chunk: list[Example] = []
    held = 0
    for example in examples:
        chunk.append(example)
        held += example.size
        if len(chunk) == _CHUNK_ROWS or held >= _CHUNK_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _labelled(ask: Ask, source: Source, label: Any) -> bool:
    if label is None or label == -1:
        return False
    return source.class_names is None or source.class_names[label] not in ask.unlabelled


def _decoded(ask: Ask, split: str, row: int, example: Example) -> tuple[np.ndarray, np.ndarray]:
    """The stored image, uint8 (C, S, S), and its moments, int64 (C, 2)."""
    try:
        pixels = stored(example.image, side=ask.side, channels=ask.channels)
    except InputError as error:
        raise InputError(f"row {row} of the {split} split of {ask.dataset}: {error}") from error
    wide = pixels.reshape(ask.channels, -1).astype(np.int64)  # (C, S * S)
    return pixels, np.stack([wide.sum(1), (wide * wide).sum(1)], axis=1)


def _group_number(group: Any) -> int:
    """A number that stands for a group's name, equal wherever the name is; rows without one are a group."""
    return int.from_bytes(hashlib.sha256(str(group).encode()).digest()[:8], "big", signed=True)


def _write_labels(ask: Ask, source: Source, splits: dict[str, _Kept], folder: Path) -> list[str]:
    """Saves labels as class indices and returns the class names; raises InputError for a class that train lacks."""
    present = set(splits["train"].labels)
    name_of: dict[Any, str] = {label: str(label) for kept in splits.values() for label in kept.labels}
    classes = sorted(present)
    if source.class_names:
        name_of = dict(enumerate(source.class_names))
        classes = [index for index, name in name_of.items() if name not in ask.unlabelled]
    index_of = {label: index for index, label in enumerate(classes)}
    for split, kept in splits.items():
        if strange := sorted(name_of[label] for label in set(kept.labels) - present):
            shown = ", ".join(strange[:3])
            raise InputError(f"the {split} split of {ask.dataset} has classes that train lacks: {shown}; {_CARVE}")
        _save(folder / f"{split}-labels.npy", np.array([index_of[label] for label in kept.labels], np.int64))
    return [name_of[label] for label in classes]
