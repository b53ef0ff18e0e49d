"""Writing a source's rows into a cache folder: images decoded, rows counted, labels as class indices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...system import durable
from ...system.printable import printable
from ...tables.shape import plane
from ..sources.source import Array, Ask, Example, Source
from . import scaling, unreadable
from .aside import Aside
from .files import inputs_file
from .kept import CARVE, Decoded, Kept, moments_of, save
from .room import Room

_CHUNK_ROWS, _CHUNK_BYTES = 128, 1 << 27  # of a chunk that is decoded together, whichever limit is reached first

Progress = Callable[[str, int, int | None, int], None]  # (split, rows done, rows in all if known, bytes read)


def write(ask: Ask, source: Source, folder: Path, progress: Progress, room: Room) -> dict[str, Any]:
    """Write every split of the source, and return its entries in the manifest.

    Test is written first, because it is smaller and more often lacks labels. Raises InputError for rows that cannot be
    used, and DiskFull if the rows take more than the room.
    """
    kept: dict[str, Kept] = {}
    with durable.no_space_named(folder), Aside(folder) as aside:
        for split in sorted(source.rows):
            with (folder / inputs_file(split, source.array.dtype if source.array else "uint8")).open("wb") as file:
                kept[split] = Kept(split, file, lists_files=bool(ask.path and not ask.reading))
                for row in decoded(ask, source, split, progress):
                    kept[split].put(row, room, aside)
            kept[split].require_labels(ask)
        skipped = unreadable.settle(ask, source, [*kept.values()])
        pixels = scaling.settle(ask, kept, folder, aside)
        for part in kept.values():
            part.save(ask, folder)
        present = {label for part in kept.values() for label in part.labels}
        if not source.array and not ask.tested:  # an array's classes are fixed, and rows need not have all of them
            present = set(kept["train"].labels)
        names = write_labels(ask, source, kept, folder, present=present)
    images = {"left_out": skipped or None, "pixels": pixels}
    return (
        {name: value for name, value in images.items() if value}
        | _of_array(source)
        | {
            "layout": source.layout().to_json(),
            "version": source.version,
            "rows": {split: len(part.labels) for split, part in kept.items()},
            "unlabelled": {split: part.unlabelled for split, part in kept.items()},
            "class_names": names,
            "licence": source.licence,
        }
    )


def _of_array(source: Source) -> dict[str, Any]:
    """Return the manifest's entries for inputs that are not images: their storage, what was left out, and notes."""
    if not (array := source.array):
        return {}
    about = {"dtype": array.dtype, "shape": list(array.shape), "regression": source.regression}
    return {"array": about, "left_out": sorted(array.left_out), "notes": list(source.notes)}


def decoded(ask: Ask, source: Source, split: str, progress: Progress) -> Iterator[Decoded]:
    """Yield every row of a split in the source's order, decoded in as many threads as there are cores."""
    seen, read = 0, 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(source.examples(split)):
            numbers = range(seen, seen + len(chunk))
            yield from pool.map(lambda number, example: _decoded(ask, source, split, number, example), numbers, chunk)
            seen, read = seen + len(chunk), read + sum(example.size for example in chunk)
            progress(split, seen, source.rows[split], read)


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
    if source.regression:
        return True
    if label is None or (label == -1 and not source.array):
        return False
    if source.class_names is None:
        return True
    if not 0 <= label < len(source.class_names):
        raise InputError(
            f"{ask.dataset} has the label {label}, but names {len(source.class_names)} classes from 0 on. Fix the "
            "labels or the names"
        )
    return source.class_names[label] not in ask.unlabelled


def _decoded(ask: Ask, source: Source, split: str, number: int, example: Example) -> Decoded:
    """Return the row with its stored image and that image's moments, or with the reason why it has none."""
    from .decode import read  # imported late, since a start with a warm cache decodes nothing

    if not _labelled(ask, source, example.label):
        return Decoded(number, example, None, None)
    if source.array:
        return Decoded(number, example, _array(ask, source.array, split, number, example), None)
    try:
        picture = read(example.content(), side=ask.side, channels=ask.channels, decoding=ask.decoding)
    except InputError as error:
        return Decoded(number, example, None, None, unreadable=unreadable.named(ask, split, number, example, error))
    pixels = picture.pixels
    if pixels is None:
        pixels = np.zeros((ask.channels, *plane(ask.side)), np.uint8)
    return Decoded(number, example, pixels, moments_of(pixels), picture.transparent, picture.counts)


def _array(ask: Ask, array: Array, split: str, number: int, example: Example) -> np.ndarray | None:
    """Return a field or a signal as it is stored, or None for a file that is left out."""
    try:
        return array.decode(example)
    except InputError as error:
        if example.weight:
            raise  # the error names its file
        file = f" ({printable(example.file)})" if example.file else ""
        raise InputError(f"row {number} of the {split} split of {ask.dataset}{file}: {error}") from error


def write_labels(ask: Ask, source: Source, kept: dict[str, Kept], folder: Path, *, present: set[Any]) -> list[str]:
    """Save labels as class indices, or as numbers for a regression, and return the class names.

    `present` are the labels of the source's train split. Raises InputError for a class that train lacks.
    """
    if source.regression:
        for split, part in kept.items():
            save(folder / f"{split}-labels.npy", np.array(part.labels, np.float32))
        return list(source.class_names or ())
    name_of: dict[Any, str] = {label: str(label) for part in kept.values() for label in part.labels}
    index_of: dict[Any, int] = {label: index for index, label in enumerate(sorted(present))}
    if source.class_names:
        name_of = dict(enumerate(source.class_names))
        index_of = source.class_indices(ask.unlabelled)
    for split, part in kept.items():
        if strange := sorted(name_of[label] for label in set(part.labels) - present):
            shown = ", ".join(strange[:3])
            raise InputError(f"the {split} split of {ask.dataset} has classes that train lacks: {shown}. {CARVE}")
        save(folder / f"{split}-labels.npy", np.array([index_of[label] for label in part.labels], np.int64))
    return [name_of[label] for label in index_of]
