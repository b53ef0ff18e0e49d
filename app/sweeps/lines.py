"""The trials of a sweep as durable lines of JSON: a header, then one line per draw and one per end of a trial.

A line is complete with its newline. A torn last line is cut back before the next one is appended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..errors import Damaged, InputError
from ..system.durable import content, fsync_folder, make_folder, no_space_named, require_allowed
from .hyperband import Hyperband
from .metric import Metric

FORMAT = 1
DONE, PRUNED, FAILED = "done", "pruned", "failed"


class Header(msgspec.Struct, kw_only=True, frozen=True, tag_field="line", tag="sweep"):
    """What the draws depend on: the file's method, metric and parameters, the seed, and the settings of all trials."""

    format: int
    name: str
    method: str
    seed: int
    metric: Metric
    early_terminate: Hyperband | None
    parameters: list[dict[str, Any]]
    settings: dict[str, str]
    optuna: str | None = None  # its version, for bayes


class Drawn(msgspec.Struct, kw_only=True, frozen=True, tag_field="line", tag="drawn"):
    """A trial that begins: its values, and the finished trials that its draw may depend on."""

    trial: int
    run_id: str  # empty if its settings cannot be trained
    run: str  # the folder and the stem of the run's files
    values: dict[str, Any]
    u: dict[str, float]  # the quantiles of the values
    finished: str  # such as 0-3,5


class Ended(msgspec.Struct, kw_only=True, frozen=True, tag_field="line", tag="ended"):
    """A trial that ended: its state, and the metric after each epoch. The newest line of a trial counts."""

    trial: int
    state: str  # done, pruned or failed
    curve: tuple[float, ...]
    why: str = ""  # of a pruned or failed trial


Line = Header | Drawn | Ended


@dataclass(frozen=True)
class Content:
    """The complete lines of a file, in order."""

    lines: tuple[Line, ...]

    @property
    def header(self) -> Header | None:
        """The first line, or None of an empty file."""
        first = self.lines[0] if self.lines else None
        return first if isinstance(first, Header) else None

    @property
    def drawn(self) -> dict[int, Drawn]:
        """The draws by number, in their order in the file."""
        return {line.trial: line for line in self.lines if isinstance(line, Drawn)}

    @property
    def ended(self) -> dict[int, Ended]:
        """The newest end of each trial, by number."""
        return {line.trial: line for line in self.lines if isinstance(line, Ended)}

    @property
    def open(self) -> list[Drawn]:
        """The trials that did not end yet, the first one first."""
        ended = self.ended
        return [line for number, line in sorted(self.drawn.items()) if number not in ended]

    def before(self, number: int) -> Content:
        """Return the lines before the draw of a trial."""
        lines = iter(self.lines)
        found = []
        for line in lines:
            if isinstance(line, Drawn) and line.trial == number:
                break
            found.append(line)
        return Content(tuple(found))


def read(path: Path) -> Content:
    """Return the complete lines of a file; none of a missing one. Raises Damaged and InputError."""
    try:
        data = content(path)
    except FileNotFoundError:
        return Content(())
    complete = data[: data.rfind(b"\n") + 1].splitlines()
    found = tuple(_line(path, number, text) for number, text in enumerate(complete, 1))
    _require_order(path, found)
    return Content(found)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Yield a writer of the file, whose torn last line is cut back. The caller has the lock of the sweep."""
    make_folder(path.parent)
    is_new = not path.exists()
    require_allowed()
    with no_space_named(path), path.open("ab") as file:
        if is_new:
            fsync_folder(path.parent)
        data = content(path)
        if (end := data.rfind(b"\n") + 1) < len(data):
            file.truncate(end)
            os.fsync(file.fileno())
        yield Writer(path, file, read(path))


@dataclass
class Writer:
    """A file of lines that is open for appending, and its content."""

    path: Path
    _file: Any
    content: Content

    def append(self, line: Line) -> None:
        """Write a line to the disk."""
        require_allowed()
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.content = Content((*self.content.lines, line))


def _line(path: Path, number: int, text: bytes) -> Line:
    try:
        found = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Damaged(
            f"line {number} of {path} is damaged ({error}). Restore a copy, or cut the file before this line"
        ) from None
    if isinstance(found, Header) and found.format != FORMAT:
        raise InputError(f"{path} has format {found.format}, and this version reads {FORMAT}. Update isoscale")
    return found


def _require_order(path: Path, found: Sequence[Line]) -> None:
    """Raise Damaged unless a header is first, trials are drawn by number, and each ends in one state after that.

    A pruned trial may end in another state, since it may be promoted.
    """
    drawn, states = 0, dict[int, str]()
    for number, line in enumerate(found, 1):
        if isinstance(line, Header):
            right = number == 1
        elif isinstance(line, Drawn):
            right, drawn = number > 1 and line.trial == drawn, drawn + 1
        else:
            right = 0 <= line.trial < drawn and states.get(line.trial, PRUNED) in (PRUNED, line.state)
            states[line.trial] = line.state
        if not right:
            raise Damaged(
                f"line {number} of {path} is out of order, so a line before it is missing or was added. Restore a "
                "copy, or cut the file before this line"
            )


_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def ranges(numbers: list[int]) -> str:
    """Return ascending numbers as ranges, such as 0-3,5."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def numbers(text: str) -> list[int]:
    """Return the numbers of ranges."""
    ends = [part.partition("-") for part in text.split(",") if part]
    return [number for first, _, last in ends for number in range(int(first), int(last or first) + 1)]
