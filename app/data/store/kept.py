"""A split that is being written into a cache folder: its file of inputs, and the records of its rows."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ...errors import InputError
from ..sources.source import Ask, Example
from .aside import Aside
from .counts import Counts
from .files import files_list
from .room import Room

CARVE = "--test-fraction 0.2 holds out a test set from train instead"


class Decoded(NamedTuple):
    """One row as it is stored. A row without a label has no pixels, and only images have moments."""

    number: int  # the row's number in its split of the source
    example: Example
    pixels: np.ndarray | None  # uint8 (C, H, W), or a source's array
    moments: np.ndarray | None  # int64 (C, 2): sums of the pixels and of their squares
    transparent: bool = False
    counts: Counts | None = None  # of a 16-bit image; until its range is known, it is stored as black
    unreadable: str = ""  # the image's name, and the reason why it cannot be read


@dataclass
class Kept:
    """A split's file, and a record of each row with a label."""

    split: str
    file: IO[bytes]
    lists_files: bool = False  # whether the files of the rows are remembered
    rows: list[int] = field(default_factory=list)  # numbers in the source
    labels: list[Any] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    moments: list[np.ndarray] = field(default_factory=list)  # int64 (C, 2) each; of images
    names: list[str] = field(default_factory=list)  # of the simulations, if rows are their frames
    files: list[str] = field(default_factory=list)  # as the source calls them
    seen: int = 0
    transparent: int = 0
    unreadable: list[str] = field(default_factory=list)  # images with a label that cannot be read, and why
    lost: Counter[Any] = field(default_factory=Counter)  # their labels

    def put(self, row: Decoded, room: Room, aside: Aside) -> None:
        """Write the row's pixels, and remember its number, label, group, file and moments."""
        self.seen += 1
        if row.unreadable:
            self.unreadable.append(row.unreadable)
            self.lost[row.example.label] += 1
        if row.pixels is None:
            return
        room.take(row.pixels.nbytes)
        if row.counts:
            room.take(row.counts.planes.nbytes)
            aside.put(self.split, len(self.rows), row.counts)
        self.file.write(row.pixels.tobytes())
        self.rows.append(row.number)
        self.labels.append(row.example.label)
        self.groups.append(row.example.group)
        if self.lists_files:
            self.files.append(row.example.file)
        self.transparent += row.transparent
        if row.moments is not None:
            self.moments.append(row.moments)
        elif row.example.weight:
            self.names.append(str(row.example.group))

    @property
    def unlabelled(self) -> int:
        """The number of rows without a label; for fields, of files that cannot be read."""
        return self.seen - len(self.labels) - len(self.unreadable)

    def require_labels(self, ask: Ask) -> None:
        """Raise InputError if no row has a label."""
        if self.labels or self.unreadable:
            return
        lacks = "no file that can be read, of {:,}" if ask.reading else "no labels: none of its {:,} rows has one"
        empty = lacks.format(self.seen) if self.seen else "no rows"
        add = "Add files that can be read" if ask.reading else "Add rows with labels"
        hint = CARVE if self.split == "test" else add
        raise InputError(f"the {self.split} split of {ask.dataset} has {empty}. {hint}")

    def save(self, ask: Ask, folder: Path) -> None:
        """Save the records of the rows, except labels."""
        save(folder / f"{self.split}-rows.npy", np.array(self.rows, np.int64))
        if self.moments:
            save(folder / f"{self.split}-moments.npy", np.stack(self.moments))
        if self.names:
            save(folder / f"{self.split}-names.npy", np.array(self.names))
        if ask.path and any(self.files):
            text = json.dumps([_below(ask.path, file) for file in self.files])
            (folder / files_list(self.split)).write_text(text, encoding="ascii")
        if ask.grouped:
            numbers = np.array([group_number(group) for group in self.groups], np.int64)
            save(folder / f"{self.split}-groups.npy", numbers)


def _below(path: str, file: str) -> str:
    """Return a file's path within the dataset's folder, since the folder may be moved."""
    given = Path(path).expanduser()
    for root in (given, given.resolve()):
        if Path(file).is_relative_to(root):
            return Path(file).relative_to(root).as_posix()
    return file


def save(path: Path, array: np.ndarray) -> None:
    """Save as `np.save` does, through memory, because `np.save` does not report why a write failed."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    path.write_bytes(buffer.getbuffer())


def moments_of(pixels: np.ndarray) -> np.ndarray:
    """Return the sums of each channel's pixels and of their squares: uint8 (C, H, W) -> int64 (C, 2)."""
    wide = pixels.reshape(len(pixels), -1).astype(np.int64)  # (C, H * W)
    return np.stack([wide.sum(1), (wide * wide).sum(1)], axis=1)


def group_number(group: Any) -> int:
    """Return a number for a group's name, which depends only on the name. Rows without a name are one group."""
    return int.from_bytes(hashlib.sha256(str(group).encode()).digest()[:8], "big", signed=True)
