"""CSV and TSV files below a dataset's folder, as columns of strings."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...system.printable import printable
from .walk import Walk

ENDINGS = (".csv", ".tsv")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Unlike(InputError):
    """An error for a CSV file that cannot be read as a list."""


def table(root: Path, path: str) -> dict[str, list[str]]:
    """Return the columns of a CSV file as strings.

    Raises Unlike for a file that cannot be read or has other separators.
    """
    where = printable(str(root / path))
    try:
        with (root / path).open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, delimiter="\t" if path.endswith(".tsv") else ",") if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unlike(
            f"{where} cannot be read as a CSV file ({str(error).splitlines()[0]}). Save it as UTF-8"
        ) from error
    if not lines:
        return {}
    require_commas(lines[0], where)
    names = [name.strip() for name in lines[0]]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise Unlike(f"{where} has the column {printable(twice[0])!r} twice. Rename one")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(names):
            raise Unlike(
                f"line {number} of {where} has {len(line)} values, but its first line has {len(names)}. Fix the line, "
                "and quote values that contain commas"
            )
    return {name: [line[at].strip() for line in lines[1:]] for at, name in enumerate(names)}


def require_commas(header: Sequence[str], where: str) -> None:
    """Raise Unlike for a first line whose names are separated by semicolons, tabs or bars."""
    found = next((sign for sign in _SEPARATORS if sign in header[0]), None) if len(header) == 1 else None
    if found:
        fixed = header[0].replace(found, ",")
        points = " and points in numbers" if found == ";" else ""
        instead = ", and 0.5 in place of 0,5" if found == ";" else ""
        raise Unlike(
            f"{where} has {_SEPARATORS[found]} between its values. Write commas between values{points}: "
            f"{printable(fixed[:60])!r} as the first line{instead}"
        )


def first(walk: Walk) -> str | None:
    """Return the path of the first CSV file, or None if there is none."""
    return next((printable(str(walk.root / path)) for path in walk.others if path.lower().endswith(ENDINGS)), None)
