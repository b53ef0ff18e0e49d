"""The disk space for a cache: what a dataset will need, and what is free for it."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from ...errors import DiskFull
from ...tables.reading import FieldReading
from ...tables.shape import extent, with_unit
from ..sources.source import Ask, Source

_MORE, _BESIDE = 1.05, 1 << 20  # of the arrays' bytes, and in bytes: labels, row numbers, the manifest
_ELSEWHERE = "or set ISOSCALE_CACHE to a folder on a larger disk"


@dataclass
class Room:
    """Bytes that the arrays of a dataset may still take."""

    left: int
    refusal: str

    def take(self, count: int) -> None:
        """Count bytes as used. Raise DiskFull if fewer bytes are left."""
        self.left -= count
        if self.left < 0:
            raise DiskFull(self.refusal)


def left(ask: Ask, source: Source, folder: Path) -> Room:
    """Return the room in the cache's folder.

    Raises DiskFull before a row is read if the source knows its number of rows and the disk has no room for them.
    Memory sets no limit: arrays that do not fit into it are read from their memory-mapped file.
    """
    free = shutil.disk_usage(folder).free
    what, instead = f"caching {ask.dataset} at {with_unit(ask.side)}", f"{_smaller(ask)}, free some space, {_ELSEWHERE}"
    if None not in source.rows.values():
        arrays = int(_MORE * sum(rows or 0 for rows in source.rows.values()) * _row_bytes(ask, source)) + _BESIDE
        needed = arrays + source.disk_bytes
        if needed > free:
            raise DiskFull(f"{what} needs {needed:,} bytes in {folder}, but {free:,} are free. To fix it, {instead}")
    return Room(
        free - source.disk_bytes,
        f"{what} needs more than the {free:,} bytes that are free in {folder}. To fix it, {instead}",
    )


def _row_bytes(ask: Ask, source: Source) -> int:
    """Return the bytes of one input as the cache stores it."""
    shape = source.array.shape if source.array else (ask.channels, *extent(ask.side))
    return math.prod(shape) * ask.itemsize


def _smaller(ask: Ask) -> str:
    """Return the advice that makes the cache smaller."""
    if not ask.reading:
        return "use a smaller --image"
    part = "--crop" if isinstance(ask.reading, FieldReading) else "--range"
    half = " or --stored-dtype float16" if ask.reading.stored_dtype == "float32" else ""
    return f"select a smaller part with {part}{half}"
