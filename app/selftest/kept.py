"""Comparison of the final content of a run's folder with the expected content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import log
from ..artifacts.runs import Run, find_runs
from ..errors import Explained, InputError

WEIGHTS = ("weights", "best", "ema", "predictions", "splits")  # files that must be equal in every byte
FACTS = ("config", "parameters", "data", "execution", "schedule", "best", "results")  # of the record
_MEASURED = ("seconds", "wait_ms", "peak_bytes")  # of a log's row


def the_run(folder: Path) -> Run:
    """Return the only run below a folder. Raises InputError for none or several, or if its record is damaged."""
    runs = find_runs(folder)
    if len(runs) != 1:
        raise InputError(f"{folder} contains {len(runs)} runs, but one is expected. Use an empty folder")
    return runs[0]


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the header and the rows of a log without times and memory use."""
    header, found = log.read(path)
    return [_timeless(row) for row in (header, *found)]


def _timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _MEASURED}


def differences(reference: Path, other: Path) -> list[str]:
    """Return the differences between a finished run and the reference, other than times."""
    try:
        one, two = the_run(reference), the_run(other)
        found = [f"{file.name} differs" for file in _unequal(one, two)]
        if rows(one.files.log) != rows(two.files.log):
            found.append(_first_difference(rows(one.files.log), rows(two.files.log)))
    except Explained as error:
        return [str(error)]
    found += [
        f"{name!r} of the record differs" for name in FACTS if getattr(one.record, name) != getattr(two.record, name)
    ]
    left = sorted(names(other) - names(reference))
    gone = sorted(names(reference) - names(other))
    return found + [f"{name} is left behind" for name in left] + [f"{name} is missing" for name in gone]


def _unequal(one: Run, two: Run) -> list[Path]:
    pairs = [(getattr(one.files, name), getattr(two.files, name)) for name in WEIGHTS]
    there = [(left, right) for left, right in pairs if left.exists() or right.exists()]  # few runs have an average
    return [
        right for left, right in there
        if not (left.exists() and right.exists()) or left.read_bytes() != right.read_bytes()
    ]  # fmt: skip


def _first_difference(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> str:
    place = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return f"the log differs from line {place + 1} on ({len(one)} lines in the reference, {len(two)} here)"


def names(folder: Path) -> set[str]:
    """Return all files and folders below the checkpoints, hidden ones too, without process IDs in their names."""
    return {
        re.sub(r"\.[\d-]+\.(aside|scratch)$", r".PID.\1", str(path.relative_to(folder))) for path in folder.rglob("*")
    }


def asides(folder: Path) -> list[str]:
    """Return the temporary files that were being written when their process died."""
    return sorted(path.name for path in folder.rglob(".*.aside"))


def states(folder: Path) -> list[int]:
    """Return the steps of the complete states, oldest first."""
    steps = [path.stem.removeprefix("state-") for path in folder.rglob("*.state/state-*.json")]
    return sorted(int(step) for step in steps if step.isdigit())
