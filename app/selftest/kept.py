"""What a run's folder holds in the end, against what it must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import log
from ..artifacts.runs import Run, find_runs
from ..errors import Explained, InputError

WEIGHTS = ("weights", "best", "predictions", "splits")  # equal in every byte
FACTS = ("config", "parameters", "data", "execution", "schedule", "best", "results")  # of the record
_MEASURED = ("seconds", "wait_ms", "peak_bytes")  # of a log's row


def the_run(folder: Path) -> Run:
    """The one run below a folder; raises InputError for none or several, or where its record is damaged."""
    runs = find_runs(folder)
    if len(runs) != 1:
        raise InputError(f"{folder} contains {len(runs)} runs, but one is expected. Use an empty folder")
    return runs[0]


def rows(path: Path) -> list[dict[str, Any]]:
    """Header and rows of a log without what a clock says, or how much memory was held."""
    header, found = log.read(path)
    return [_timeless(row) for row in (header, *found)]


def _timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _MEASURED}


def differences(reference: Path, other: Path) -> list[str]:
    """Where a finished run differs from the reference in anything but times; empty where it does not."""
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
    return [right for left, right in pairs if not right.exists() or left.read_bytes() != right.read_bytes()]


def _first_difference(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> str:
    place = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return f"the log differs from line {place + 1} on ({len(one)} lines in the reference, {len(two)} here)"


def names(folder: Path) -> set[str]:
    """Every file and folder below the checkpoints, hidden ones too; the number of a process is cut out of a name."""
    return {
        re.sub(r"\.[\d-]+\.(aside|scratch)$", r".PID.\1", str(path.relative_to(folder))) for path in folder.rglob("*")
    }


def asides(folder: Path) -> list[str]:
    """Files that were being written when their writer died."""
    return sorted(path.name for path in folder.rglob(".*.aside"))


def states(folder: Path) -> list[int]:
    """The steps of the complete states, oldest first."""
    steps = [path.stem.removeprefix("state-") for path in folder.rglob("*.state/state-*.json")]
    return sorted(int(step) for step in steps if step.isdigit())
