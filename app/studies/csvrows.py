"""A study as a CSV: settings in the header, one run per line, `#` begins a comment anywhere.

LANL's `hyperparameters.csv` is one: github.com/lanl/CNN-T2TViT-comparison, read there by pandas with comment="#".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import InputError
from ..tables import own
from ..tables.datasets import DATASETS
from ..tables.models import is_name
from .axes import is_setting, named

STUDY = "studyIDX"  # the number of a study of LANL's, which is also its seed
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[KMG]?", re.IGNORECASE | re.ASCII)
OF_LANL = {STUDY: "seed", "DEPTH": "depth"}


class Line(NamedTuple):
    """One line of a study's CSV: its cells by setting, its place, and the number of the study in LANL's files."""

    cells: dict[str, str]
    where: str
    number: int | None


def read(text: str, name: str) -> Iterator[Line]:
    """Yield the runs of a CSV. Lines end in LF, CR LF or CR; empty ones are skipped; a column may lack a name.

    Raises InputError.
    """
    lines = [line.partition("#")[0] for line in re.split(r"\r\n|\n|\r", text)]
    filled = [(at, line) for at, line in enumerate(lines, 1) if line.strip(" \t,")]
    if not filled:
        return
    (first, header), *others = filled
    columns = _columns(_cells(header, f"line {first} of {name}"), f"line {first} of {name}")
    for at, line in others:
        where = f"line {at} of {name}"
        cells = _cells(line, where)
        if len(cells) != len(columns):
            raise InputError(
                f"{where} has {len(cells)} cells, but the header has {len(columns)}. Write one cell per "
                "column, and quote commas in a cell"
            )
        yield _line(columns, cells, where)


def _cells(line: str, where: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError) as error:
        raise InputError(f"{where} cannot be read as CSV ({error}). Fix its quotes") from None
    return [cell.strip() for cell in cells]


def _columns(header: list[str], where: str) -> list[str]:
    """Return the setting of each column, or LANL's name for it; empty for a column without a name."""
    _require_header(header, where)
    columns = [cell if cell in OF_LANL or not cell else named(cell, where) for cell in header]
    settings = [OF_LANL.get(column, column) for column in columns if column]
    if not settings:
        raise InputError(f"{where} names no setting. Write a header such as model,size,seed")
    for setting in settings:
        if settings.count(setting) > 1:
            raise InputError(f"{where} has two columns for {setting}. Remove one of them")
    return columns


def _require_header(cells: list[str], where: str) -> None:
    """Raise InputError for a line that other marks than commas separate, or that has values in place of settings."""
    for mark, name in SEPARATORS.items():
        if len(cells) == 1 and mark in cells[0]:
            raise InputError(f"{where} is separated by {name}. A study's cells are separated by commas. Use commas")
    if not any(cell in OF_LANL or is_setting(cell) for cell in cells):
        for cell in cells:
            if _is_value(cell):
                raise InputError(
                    f"{where} is not a header, because {cell!r} is a value. The first line has the names of settings. "
                    "Write one, such as model,size,seed"
                )


def _is_value(cell: str) -> bool:
    """Return whether a cell is a number, or the name of a size, a model or a dataset."""
    return bool(_NUMBER.fullmatch(cell)) or is_name(cell) or own.is_file(cell) or cell in DATASETS


def _line(columns: list[str], cells: list[str], where: str) -> Line:
    found: dict[str, str] = {}
    number = None
    for column, cell in zip(columns, cells, strict=False):
        if cell and not column:
            raise InputError(f"{where} has {cell!r} in a column without a name. Name that column in the header")
        if cell:
            found[OF_LANL.get(column, column)] = cell
        if column == STUDY:
            if not re.fullmatch(r"[0-9]{1,9}", cell):
                raise InputError(f"{where}: {STUDY}={cell!r} is not a number of a study. Write a whole number")
            number = int(cell)
    return Line(found, where, number)
