"""The rows of a study as they are written: settings by name, not checked yet.

A row's cells override the axes, those the base of a YAML file, and the base the options of the command.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..system.durable import content
from . import csvrows, embedded, yamlrows
from .axes import MOST_ROWS, TOO_MANY, crossed

_MOST_BYTES = 16 << 20
_OF_YAML = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of a study: its settings, and where they are written."""

    cells: dict[str, Any]
    where: str  # such as "line 3 of grid.csv"
    number: int | None = None  # of the study, in LANL's files


def of_file(path: Path, *, options: Mapping[str, Any], axes: Mapping[str, list[str]]) -> list[Row]:
    """Return the rows of a CSV or YAML file; a CSV's are crossed with `axes`, which override a YAML file's axes.

    `path` may also be a data URL that contains the file. `options` are settings that every row may override. Raises
    InputError.
    """
    content_of, named = text(path), embedded.named(path)
    ending = named.suffix.lower()
    if ending not in ("", ".csv", *_OF_YAML):
        raise InputError(
            f"the study {named} is neither CSV nor YAML by its name. Valid endings: .csv, {', '.join(_OF_YAML)}. "
            "Rename the file"
        )
    found = _of_yaml if ending in _OF_YAML else _of_csv
    rows = list(itertools.islice(found(content_of, named.name, options, axes), MOST_ROWS + 1))
    if not rows:
        raise InputError(f"{named} has no runs. Write a CSV with a header and one run per line, or `cross:` in YAML")
    return _limited(rows)


def of_axes(axes: Mapping[str, list[str]], options: Mapping[str, Any]) -> list[Row]:
    """Return the rows of axes alone: every combination, the last axis fastest. Raises InputError."""
    rows = (Row(cells=dict(options) | cells, where=_shown(cells)) for cells in crossed(axes))
    return _limited(list(itertools.islice(rows, MOST_ROWS + 1)))


def _of_csv(text: str, name: str, options: Mapping[str, Any], axes: Mapping[str, list[str]]) -> Iterable[Row]:
    for line in csvrows.read(text, name):
        for cells in crossed(axes):
            yield Row(cells=dict(options) | cells | line.cells, where=line.where, number=line.number)


def _of_yaml(text: str, name: str, options: Mapping[str, Any], axes: Mapping[str, list[str]]) -> Iterable[Row]:
    parts = yamlrows.read(text, name)
    base, cross = dict(options) | parts.base, parts.cross | dict(axes)
    for cells in crossed(cross) if cross or (parts.base and not parts.runs) else ():
        yield Row(cells=base | cells, where=_shown(cells) or f"base of {name}")
    for run, where in parts.runs:
        yield Row(cells=base | run, where=where)


def _limited(rows: list[Row]) -> list[Row]:
    if len(rows) > MOST_ROWS:
        raise InputError(TOO_MANY)
    return rows


def _shown(cells: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in cells.items())


def text(path: Path, what: str = "study", instead: str = "Give a CSV or YAML file, or axes with --cross") -> str:
    """Return the text of a file or data URL, without the mark of its encoding. Raises InputError.

    `what` and `instead` are for messages: what the file is, and what to give for a path without a file.
    """
    if embedded.is_url(path):
        return _decoded(embedded.content(path), embedded.named(path), what)
    if not path.is_file():
        raise InputError(f"the {what} {path} is not a file. {instead}")
    return _decoded(content(path), path, what)


def _decoded(raw: bytes, path: Path, what: str) -> str:
    if len(raw) > _MOST_BYTES:
        raise InputError(f"the {what} {path} has {len(raw):,} bytes, and {_MOST_BYTES:,} are allowed. Divide it")
    try:
        found = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"the {what} {path} is not text in UTF-8 (at byte {error.start}). Save it as UTF-8") from None
    if "\0" in found:
        raise InputError(f"the {what} {path} has NUL bytes. Save it as text in UTF-8")
    return found
