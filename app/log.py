"""The training log: JSON lines, first a header, then one object per batch and split, each flushed as it is written."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from . import task
from .errors import Damaged, Diverged, InputError
from .system.durable import content, make_folder, no_space_named, require_allowed, require_file

FORMAT = 1
_TAIL = 1 << 14  # bytes at a log's end that are sure to contain a complete row
_LAG = 2  # rows that may wait for their numbers, so that no step waits for the device


class Row(NamedTuple):
    """A row whose sums are still on the device. `fetch` waits for them and returns the sums of the log's task."""

    fields: dict[str, Any]
    fetch: Callable[[], Sequence[float]]
    later: Mapping[str, Callable[[], Sequence[float]]] = {}  # more lists of numbers that are on the device, by name


class TrainingLog:
    """A writer for a run's log. Rows reach the file in order, at most two rows late."""

    def __init__(self, path: Path, *, header: Mapping[str, Any], offset: int = 0, sha256: str | None = None) -> None:
        """Open the log at `offset` bytes and truncate it there. At 0, start a new log with its header.

        Raises Damaged if the log is shorter, or if the part before the offset does not have the given digest.
        """
        make_folder(path.parent)
        held = require_file(path).stat().st_size if path.exists() else 0
        if held < offset:
            raise Damaged(
                f"{path} has {held:,} bytes, but the saved state expects {offset:,}: rows are lost. Use --fresh"
            )
        self.path = path
        self.last: dict[str, dict[str, Any]] = {}  # the newest row of each split
        self._waiting: deque[Row] = deque()
        self._task = task.of_header(header)
        self._file = path.open("r+b" if offset else "wb")
        self._digest = hashlib.sha256(self._file.read(offset) if offset else b"")
        if sha256 and self._digest.hexdigest() != sha256:
            self._file.close()
            raise Damaged(
                f"the log {path} is damaged in the rows before the saved state. Restore a copy of it, or retrain the "
                "run with --fresh"
            )
        self._file.truncate(offset)
        self._file.seek(offset)
        if not offset:
            self._write({"log": "isoscale", "format": FORMAT, **header})

    def add(self, row: Row) -> None:
        """Add a row, and write those that have waited long enough. Raises Diverged if a loss is not a number."""
        self._waiting.append(row)
        while len(self._waiting) > _LAG:
            self._take()

    def drain(self) -> int:
        """Write every waiting row to disk, fsynced. Return the log's length in bytes."""
        while self._waiting:
            self._take()
        with no_space_named(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    @property
    def sha256(self) -> str:
        """Hex digest of everything written so far."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the file. Waiting rows, and rows that a full disk did not accept, are dropped."""
        with suppress(OSError):
            self._file.close()

    def _take(self) -> None:
        row = self._waiting.popleft()
        fields = row.fields | self._task.columns(row.fetch(), row.fields["examples"])
        fields |= {name: [*fetch()] for name, fetch in row.later.items()}
        if not math.isfinite(fields["loss"]):
            self._waiting.clear()
            raise Diverged(
                f"the {fields['split']} loss is {fields['loss']} at step {fields['step']}. What was saved before is "
                "kept. Start another run with a lower --lr or with --clip-norm 1"
            )
        self.last[fields["split"]] = fields
        self._write(fields)

    def _write(self, fields: Mapping[str, Any]) -> None:
        line = json.dumps(fields, allow_nan=False).encode() + b"\n"
        require_allowed(recent=True)
        with no_space_named(self.path, len(line)):
            self._file.write(line)
            self._file.flush()
        self._digest.update(line)


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the header and the rows of a log, without an incomplete last line.

    Raises Damaged for a file that is missing or not such a log, and for the first damaged line. Raises InputError for a
    log of another version.
    """
    try:
        lines = content(path).split(b"\n")[:-1]
    except OSError as error:
        raise Damaged(
            f"cannot read the log {path}: {error.strerror}. Fix this path, or download the log again"
        ) from error
    header, *rows = map(_parsed, lines) if lines else [{}]
    if header is None:
        raise _damaged(path, 1)
    if header.get("log") != "isoscale":
        raise Damaged(f"{path} is not a training log of isoscale. Download it again, or retrain the run with --fresh")
    if header.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {header.get('format')!r}, and this version reads {FORMAT}. Retrain the run with --fresh"
        )
    for number, row in enumerate(rows, start=2):
        if row is None or not _is_complete(row, task.of_header(header)):
            raise _damaged(path, number)
    return header, [row for row in rows if row]


def seconds_after(path: Path, offset: int) -> float:
    """Return the seconds of the complete rows after `offset` bytes of a log, or 0 if there are none."""
    with suppress(OSError), require_file(path).open("rb") as file:
        file.seek(offset)
        found = [(_parsed(line) or {}).get("seconds") for line in file.read().split(b"\n")[:-1]]
        return sum(float(each) for each in found if isinstance(each, int | float) and math.isfinite(each))
    return 0.0


def last_step(path: Path) -> int:
    """Return the step of the last complete row of a log that another process may be writing, or 0 if there is none."""
    with suppress(OSError), require_file(path).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        for line in reversed(file.read().split(b"\n")[:-1]):
            step = (_parsed(line) or {}).get("step")
            if isinstance(step, int) and task.is_count(step):
                return step
    return 0


def _damaged(path: Path, line: int) -> Damaged:
    return Damaged(f"line {line} of {path} is damaged. Download the log again, or retrain the run with --fresh")


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line, or None if it has none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_complete(row: Mapping[str, Any], of: task.Task) -> bool:
    """Return whether a row has everything that figures need: counts, a split, and its task's columns."""
    counted = all(task.is_count(row.get(name)) for name in ("step", "epoch", "examples"))
    return counted and of.is_complete(row) and row["examples"] > 0 and isinstance(row.get("split"), str)
