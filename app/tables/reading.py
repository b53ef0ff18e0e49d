"""The part of field and signal files that is read, as options, run names and caches describe it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from .datasets import DATASETS, DatasetRow
from .ranges import check_known
from .symmetry import SYMMETRIES

DTYPES = {"float32": 4, "float16": 2}  # that fields and signals are stored in, with the bytes of a number
PUBLISHED_ROWS, PUBLISHED_COLUMNS = 800, 250  # rows from 800 on, columns up to 250 (lanl/CNN-T2TViT-comparison)
PIXEL_CM, FRAME_MICROSECONDS = 0.01, 0.2  # between rows and columns; between frames, of which number 1 is at 0
BACKGROUND = 1e-3  # that the published patterns have everywhere


@dataclass(frozen=True, kw_only=True)
class FieldReading:
    """The fields that are stacked as channels, the part of them that is used, in the file's pixels, and the target."""

    fields: tuple[str, ...]
    target: str
    rows: tuple[int, int | None]  # None: to the last
    columns: tuple[int, int | None]
    mirror: bool  # mirrored left to right and put before the part, for the published axis of symmetry
    stored_dtype: str = "float32"
    whole: bool = False  # every file is for testing


@dataclass(frozen=True, kw_only=True)
class SignalReading:
    """The labels of a pattern, and the part of it that is used, in degrees 2-theta."""

    target: str
    background: float  # in shares of the highest line; added to files that have none
    range: tuple[float, float] | None = None
    grid: tuple[float, float] | None = None  # first angle and step; None: as NIST's files, by their length
    stored_dtype: str = "float32"
    whole: bool = False  # every pattern is for testing


Reading = FieldReading | SignalReading


def reading_of(given: Mapping[str, Any]) -> Reading | None:
    """Return how a dataset is read by the fields of a request or a config, or None for images.

    Raises InputError for an invalid option.
    """
    row = DATASETS.get(given["dataset"])
    kind = row.kind if row else "image"
    if row is None or kind == "image":
        return None
    if (target := given.get("target")) is not None and not target.strip():
        raise InputError(f"--target {target!r} contains no name. Omit it, or name the quantity to predict")
    dtype = given.get("stored_dtype") or "float32"
    return (_field if kind == "field" else _signal)(row, given, dtype)


def _field(row: DatasetRow, given: Mapping[str, Any], dtype: str) -> FieldReading:
    names = tuple(name.strip() for name in (given.get("field") or row.image_column).split(","))
    if not all(names) or len(set(names)) < len(names):
        raise InputError(
            f"--field {given.get('field')!r} is not a list of names. Separate the names by commas and use each once, "
            "such as rho,pressure"
        )
    rows: tuple[int, int | None] = (PUBLISHED_ROWS, None)
    columns: tuple[int, int | None] = (0, PUBLISHED_COLUMNS)
    if (crop := given.get("crop")) is not None:
        rows, columns = _crop(crop)
    mirror = given.get("mirror")
    return FieldReading(
        fields=names, target=given.get("target") or row.label_column, rows=rows, columns=columns,
        mirror=True if mirror is None else mirror, stored_dtype=dtype,
    )  # fmt: skip


def _signal(row: DatasetRow, given: Mapping[str, Any], dtype: str) -> SignalReading:
    target = given.get("target") or row.label_column
    check_known("--target", target, SYMMETRIES)
    background = given.get("background")
    cut = _pair("range", given["range"], "from and to in degrees, such as 10:80") if given.get("range") else None
    if cut and cut[0] >= cut[1]:
        raise InputError(f"--range {given['range']} ends at or below its start. Give a higher end, such as 10:80")
    grid = (
        _pair("grid", given["grid"], "first angle and step in degrees, such as 3:0.05") if given.get("grid") else None
    )
    if grid and grid[1] <= 0:
        raise InputError(f"--grid {given['grid']} has a step of 0 or less. Give a step above 0, such as 3:0.05")
    return SignalReading(
        target=target, background=BACKGROUND if background is None else background, range=cut, grid=grid,
        stored_dtype=dtype,
    )  # fmt: skip


def _crop(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return TOP:BOTTOM,LEFT:RIGHT as two spans. Raises InputError for any other text."""
    spans = []
    for part in text.split(","):
        ends = part.split(":")
        if len(ends) == 2 and all(end.strip().isdecimal() for end in ends) and int(ends[0]) < int(ends[1]):
            spans.append((int(ends[0]), int(ends[1])))
    if len(spans) != 2 or text.count(",") != 1:
        raise InputError(
            f"--crop {text!r} is not a region. Use TOP:BOTTOM,LEFT:RIGHT in pixels of the file, such as 1200:1900,0:250"
        )
    return spans[0], spans[1]


def _pair(name: str, text: str, wanted: str) -> tuple[float, float]:
    try:
        first, second = map(float, text.split(":"))
    except ValueError:
        first = second = math.nan
    if not (math.isfinite(first) and math.isfinite(second)):
        raise InputError(f"--{name} {text!r} is not in the right form. Use {wanted}")
    return first, second
