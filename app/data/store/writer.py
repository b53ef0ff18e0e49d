"""Writing a source's rows into a cache folder: decoded, counted, labels as class indices."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ...errors import InputError
from ...system import durable
from ..sources.files import printable
from ..sources.source import Ask, Example, Source
from .room import Room

_CHUNK_ROWS, _CHUNK_BYTES = 128, 1 << 27  # decoded together: whichever is reached first
_INPUTS = {"uint8": "images.u8", "float32": "inputs.f32", "float16": "inputs.f16"}
_CARVE = "--test-fraction 0.2 carves a test set from train instead"

Progress = Callable[[str, int, int | None, int], None]  # (split, rows done, rows in all if known, bytes read)


class Decoded(NamedTuple):
    """One row as it is stored; a row without a label has no pixels, and only images have moments."""

    number: int  # in its split of the source
    example: Example
    pixels: np.ndarray | None  # uint8 (C, H, W), or a source's array
    moments: np.ndarray | None  # int64 (C, 2): sums of the pixels and of their squares


@dataclass
class Kept:
    """A split's images file, and what is remembered of its rows while it is written: a line per row with a label."""

    file: IO[bytes]
    rows: list[int] = field(default_factory=list)  # numbers in the source
    labels: list[Any] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    moments: list[np.ndarray] = field(default_factory=list)  # int64 (C, 2) each; of images
    names: list[str] = field(default_factory=list)  # of the simulations, where rows are their frames
    seen: int = 0

    def put(self, row: Decoded, room: Room) -> None:
        """Writes the row's pixels and remembers the rest of it."""
        self.seen += 1
        if row.pixels is None:
            return
        room.take(row.pixels.nbytes)
        self.file.write(row.pixels.tobytes())
        self.rows.append(row.number)
        self.labels.append(row.example.label)
        self.groups.append(row.example.group)
        if row.moments is not None:
            self.moments.append(row.moments)
        elif row.example.weight:
            self.names.append(str(row.example.group))

    def save(self, ask: Ask, split: str, folder: Path) -> None:
        """Saves what is known of the rows, labels excepted; raises InputError where no row has one."""
        if not self.labels:
            lacks = "no file that can be read, of {:,}" if ask.reading else "no labels: none of its {:,} rows has one"
            empty = lacks.format(self.seen) if self.seen else "no rows"
            hint = f"; {_CARVE}" if split == "test" else ""
            raise InputError(f"the {split} split of {ask.dataset} has {empty}{hint}")
        _save(folder / f"{split}-rows.npy", np.array(self.rows, np.int64))
        if self.moments:
            _save(folder / f"{split}-moments.npy", np.stack(self.moments))
        if self.names:
            _save(folder / f"{split}-names.npy", np.array(self.names))
        if ask.grouped:
            _save(folder / f"{split}-groups.npy", np.array([group_number(group) for group in self.groups], np.int64))


def write(ask: Ask, source: Source, folder: Path, progress: Progress, room: Room) -> dict[str, Any]:
    """Writes every split of the source; returns what the manifest says of it.

    Test comes first: it is the smaller, and the one more often without labels. Raises InputError for unusable rows,
    also when they take more than the room.
    """
    kept = {}
    with durable.no_space_named(folder):
        for split in sorted(source.rows):
            with (folder / inputs_file(split, source.array.dtype if source.array else "uint8")).open("wb") as file:
                kept[split] = Kept(file)
                for row in decoded(ask, source, split, progress):
                    kept[split].put(row, room)
            kept[split].save(ask, split, folder)
        present = {label for part in kept.values() for label in part.labels}
        if not source.array:  # whose classes are not what the rows have, but what there is
            present = set(kept["train"].labels)
        names = write_labels(ask, source, kept, folder, present=present)
    return _of_array(source) | {
        "layout": source.layout().to_json(),
        "version": source.version,
        "rows": {split: len(part.labels) for split, part in kept.items()},
        "unlabelled": {split: part.seen - len(part.labels) for split, part in kept.items()},
        "class_names": names,
        "licence": source.licence,
    }


def inputs_file(split: str, dtype: str) -> str:
    """The name of the file that holds a split's inputs."""
    return f"{split}-{_INPUTS[dtype]}"


def _of_array(source: Source) -> dict[str, Any]:
    """What the manifest says of inputs that are no images: how they are stored, what was left out, and notes."""
    if not (array := source.array):
        return {}
    about = {"dtype": array.dtype, "shape": list(array.shape), "regression": source.regression}
    return {"array": about, "left_out": sorted(array.left_out), "notes": list(source.notes)}


def decoded(ask: Ask, source: Source, split: str, progress: Progress) -> Iterator[Decoded]:
    """Every row of a split in the source's order, decoded in as many threads as there are cores."""
    seen, read = 0, 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(source.examples(split)):
            numbers = range(seen, seen + len(chunk))
            yield from pool.map(lambda number, example: _decoded(ask, source, split, number, example), numbers, chunk)
            seen, read = seen + len(chunk), read + sum(example.size for example in chunk)
            progress(split, seen, source.rows[split], read)


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
    if source.regression:
        return True
    if label is None or (label == -1 and not source.array):
        return False
    if source.class_names is None:
        return True
    if not 0 <= label < len(source.class_names):
        raise InputError(f"{ask.dataset} has the label {label}, but names {len(source.class_names)} classes from 0 on")
    return source.class_names[label] not in ask.unlabelled


def _decoded(ask: Ask, source: Source, split: str, number: int, example: Example) -> Decoded:
    """The row with its stored image and that image's moments."""
    from .decode import stored  # a start with a warm cache decodes nothing

    if not _labelled(ask, source, example.label):
        return Decoded(number, example, None, None)
    try:
        if source.array:
            return Decoded(number, example, source.array.decode(example), None)
        pixels = stored(example.image, side=ask.side, channels=ask.channels)
    except InputError as error:
        if example.weight:
            raise  # it names its file
        file = f"; the file is {printable(example.file)}" if example.file else ""
        raise InputError(f"row {number} of the {split} split of {ask.dataset}: {error}{file}") from error
    wide = pixels.reshape(ask.channels, -1).astype(np.int64)  # (C, S * S)
    return Decoded(number, example, pixels, np.stack([wide.sum(1), (wide * wide).sum(1)], axis=1))


def group_number(group: Any) -> int:
    """A number that stands for a group's name, equal wherever the name is; rows without one are a group."""
    return int.from_bytes(hashlib.sha256(str(group).encode()).digest()[:8], "big", signed=True)


def write_labels(ask: Ask, source: Source, kept: dict[str, Kept], folder: Path, *, present: set[Any]) -> list[str]:
    """Saves labels as class indices, or as numbers of a regression, and returns the class names.

    `present` are the labels of the source's train. Raises InputError for a class that they lack.
    """
    if source.regression:
        for split, part in kept.items():
            _save(folder / f"{split}-labels.npy", np.array(part.labels, np.float32))
        return list(source.class_names or ())
    name_of: dict[Any, str] = {label: str(label) for part in kept.values() for label in part.labels}
    index_of: dict[Any, int] = {label: index for index, label in enumerate(sorted(present))}
    if source.class_names:
        name_of = dict(enumerate(source.class_names))
        index_of = source.class_indices(ask.unlabelled)
    for split, part in kept.items():
        if strange := sorted(name_of[label] for label in set(part.labels) - present):
            shown = ", ".join(strange[:3])
            raise InputError(f"the {split} split of {ask.dataset} has classes that train lacks: {shown}; {_CARVE}")
        _save(folder / f"{split}-labels.npy", np.array([index_of[label] for label in part.labels], np.int64))
    return [name_of[label] for label in index_of]
