"""16-bit images while a dataset is read. They are kept at their stored side until train's range is known."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from .counts import Counts


class _Place(NamedTuple):
    split: str
    position: int  # among the rows of its split that are stored
    shape: tuple[int, ...]
    low: int
    high: int
    transparent: bool


class Aside:
    """An unnamed file of counts, deleted at the end of its `with` block. Memory has one record per image."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by __exit__)
        self._places: list[_Place] = []

    def __enter__(self) -> Aside:
        """Return the file."""
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._file.close()

    def put(self, split: str, position: int, counts: Counts) -> None:
        """Keep the counts of the image at a position of a split."""
        self._file.write(counts.planes.astype("<f4").tobytes())
        self._places.append(_Place(split, position, counts.planes.shape, counts.low, counts.high, counts.transparent))

    @property
    def rows(self) -> dict[str, int]:
        """The number of 16-bit images of each split that has any."""
        return dict(Counter(place.split for place in self._places))

    def span(self, split: str) -> tuple[int, int] | None:
        """Return the lowest and the highest visible count of a split, or None if it has none."""
        found = [place for place in self._places if place.split == split and place.low <= place.high]
        return (min(place.low for place in found), max(place.high for place in found)) if found else None

    def counts(self) -> Iterator[tuple[str, int, Counts]]:
        """Yield the split, the position and the counts of every image, in the order in which they were put."""
        self._file.seek(0)
        for place in self._places:
            numbers = int(np.prod(place.shape))
            planes = np.frombuffer(self._file.read(4 * numbers), "<f4").reshape(place.shape)
            yield place.split, place.position, Counts(planes, place.low, place.high, place.transparent)
