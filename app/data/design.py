"""Which simulation a field file is of, what its target is, and which split the lists put it in.

As lanl/CNN-T2TViT-comparison has them: a CSV whose header holds spaces, and lists of one path per line.
"""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.data.files import printable
from app.errors import InputError
from app.tables.names import suggestion

_SPLITS = ("train", "val", "test")
_LISTS = ("datalist_{}_samples.txt", "PVI_only_{}_samples.txt")


def key_of(file: str) -> str:
    """The simulation of a file: the first three `_` parts of its base name, `nc231213_Sn_id0020`."""
    return "_".join(Path(file).name.removesuffix(".npz").split("_")[:3])


def design_file(root: Path, given: str | None) -> Path:
    """The design CSV: as given, or the only one in the folder of the fields. Raises InputError for none."""
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise InputError(f"there is no design file {given}; --design takes a CSV with a row for each simulation")
        return path
    found = sorted(root.glob("*.csv"))
    if len(found) != 1:
        there = f"holds {len(found)} CSV files" if found else "holds no CSV file"
        raise InputError(f"{root} {there}; name the one with the simulations' targets by --design FILE")
    return found[0]


def targets(path: Path, column: str) -> dict[str, float]:
    """Simulation -> target, of a column of the design CSV; spaces around names and numbers are passed over.

    Raises InputError for a column that is not there, and for a row without a finite number or with a key seen before.
    """
    lines = _rows(path)
    names = [name.strip() for name in lines[0]] if lines else []
    if len(names) < 2:
        raise InputError(f"the design file {path} has no header such as `key, {column}`")
    if column not in names[1:]:
        raise InputError(f"the design file {path} has no column {column!r}; {suggestion(column, names[1:])}")
    at, found = names.index(column), {}
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        key = line[0].strip()
        if key in found:
            raise InputError(f"line {number} of the design file {path} has {printable(key)} a second time")
        found[key] = _number(line[at] if at < len(line) else "", path, number, column)
    if not found:
        raise InputError(f"the design file {path} has a header and no rows")
    return found


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the design file {path} cannot be read as a CSV ({str(error).splitlines()[0]})") from error


def _number(text: str, path: Path, line: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e30:  # beyond it a squared error is no float32
        shown = printable(text.strip()[:40])
        raise InputError(f"line {line} of the design file {path} has {shown!r} as {column}, which is no finite number")
    return value


def lists(given: str) -> dict[str, Path]:
    """The lists of train, val and test in a folder, or beside the one that is named; any other is of train's.

    Raises InputError where there are none, or both of upstream's namings.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        sets = [found for name in _LISTS if (found := _present(path, name))]
        if len(sets) != 1:
            names = " or ".join(name.format("{train,val,test}") for name in _LISTS)
            what = "both kinds of lists, of which one is wanted: name its train list" if sets else f"no {names}"
            raise InputError(f"the folder {given} holds {what}")
        return sets[0]
    if not path.is_file():
        raise InputError(f"there is no list {given}; --filelist takes a folder of lists, or one of them")
    for name in _LISTS:
        if path.name in [name.format(split) for split in _SPLITS]:
            return _present(path.parent, name)
    return {"train": path}


def _present(folder: Path, name: str) -> dict[str, Path]:
    return {split: path for split in _SPLITS if (path := folder / name.format(split)).is_file()}


def listed(path: Path, root: Path) -> list[Path]:
    """The files of a list: as they stand, relative to the data's folder or the list's, or by their names in it.

    Raises InputError for a list that names nothing, a file twice, or a file that is not there.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the list {path} cannot be read as text ({str(error).splitlines()[0]})") from error
    names = [line for line in lines if line]
    if not names:
        raise InputError(f"the list {path} is empty; it takes one path per line")
    found = {name: _resolved(name, root, path.parent) for name in names}
    if missing := [name for name, file in found.items() if file is None]:
        shown = printable(missing[0][:120])
        raise InputError(f"{len(missing):,} of the {len(names):,} files of {path} are not there, {shown} for one")
    files = [file for name in names if (file := found[name])]
    if twice := [file.name for file, count in Counter(files).items() if count > 1]:
        raise InputError(f"the list {path} names {printable(twice[0])} twice")
    return files


def _resolved(name: str, root: Path, beside: Path) -> Path | None:
    if "\0" in name:
        return None
    for place in (root / name, Path(name), beside / name, root / Path(name).name):
        try:
            if place.is_file():
                return Path(os.path.realpath(place))
        except OSError:  # a line that is longer than a path may be
            return None
    return None


def shared(splits: Iterable[Iterable[Path]]) -> int:
    """How many simulations stand in more than one of the lists: what a split by file leaks."""
    count = Counter(key for files in splits for key in {key_of(file.name) for file in files})
    return sum(number > 1 for number in count.values())
