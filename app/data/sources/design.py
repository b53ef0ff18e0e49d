"""The simulation that a field file belongs to, and its target.

The format is that of lanl/CNN-T2TViT-comparison: the file's name begins with a key, and the CSV's header contains
spaces.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from ...errors import InputError
from ...system.durable import text
from ...system.printable import printable
from ...tables.names import suggestion
from .csvfile import require_commas


def key_of(file: str) -> str:
    """Return a file's simulation, the first three `_` parts of its base name, such as `nc231213_Sn_id0020`."""
    return "_".join(Path(file).name.removesuffix(".npz").split("_")[:3])


def design_file(root: Path, given: str | None) -> Path:
    """Return the design CSV, either the given one or the only one in the folder of the fields.

    Raises InputError if there is no such file, or if the folder contains several.
    """
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise InputError(f"the design file {given} does not exist. Give --design a CSV with one row per simulation")
        return path
    found = sorted(root.glob("*.csv"))
    if len(found) != 1:
        there = f"contains {len(found)} CSV files" if found else "contains no CSV file"
        raise InputError(f"{root} {there}. Name the file with the simulations' targets with --design FILE")
    return found[0]


def targets(path: Path, column: str) -> dict[str, float]:
    """Return simulation -> target from a column of the design CSV, ignoring spaces around names and numbers.

    Raises InputError for an unknown column, for a row without a finite number, and for a repeated key.
    """
    lines = _rows(path)
    names = [name.strip() for name in lines[0]] if lines else []
    if len(names) < 2:
        raise InputError(f"the design file {path} has no header. Add one such as `key, {column}`")
    if column not in names[1:]:
        raise InputError(f"the design file {path} has no column {column!r}. {suggestion(column, names[1:])}")
    at, found = names.index(column), {}
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        key = line[0].strip()
        if key in found:
            raise InputError(
                f"line {number} of the design file {path} repeats the key {printable(key)}. Keep one line per key"
            )
        found[key] = _number(line[at] if at < len(line) else "", path, number, column)
    if not found:
        raise InputError(f"the design file {path} has a header but no rows. Add a row per simulation")
    return found


def _rows(path: Path) -> list[list[str]]:
    try:
        lines = list(csv.reader(io.StringIO(text(path, "utf-8-sig"), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the design file {path} cannot be read as a CSV ({str(error).splitlines()[0]}). Save it as text in UTF-8"
        ) from error
    if lines:
        require_commas(lines[0], f"the design file {path}")
    return lines


def _number(text: str, path: Path, line: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e30:  # a larger value's squared error overflows float32
        shown = printable(text.strip()[:40])
        hint = "Write the decimal point as in 0.5" if "," in text else "Write a number such as 0.5"
        raise InputError(
            f"line {line} of the design file {path} has {shown!r} as {column}, which is not a finite number. {hint}"
        )
    return value
