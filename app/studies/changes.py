"""The resolved runs of a study as its last command had them, so that a changed file is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from ..errors import Explained
from ..system.durable import content, write_text
from .cells import OF_THE_STUDY, Cell

_FORMAT = 1
_NAMED = 3  # runs that a report of a change names


class Kept(msgspec.Struct, kw_only=True, frozen=True):
    """One run: its ID, where the file has it, and its settings."""

    run_id: str
    where: str
    settings: dict[str, str]


class _Table(msgspec.Struct, kw_only=True):
    format: int
    cells: list[Kept]


def since(path: Path, cells: Sequence[Cell]) -> str:
    """Return a sentence on how a study's runs differ from those of the last command; empty if they do not."""
    before, now = {each.run_id: each for each in read(path)}, {each.run_id: each for each in table(cells)}
    new, gone = [now[name] for name in now if name not in before], [before[name] for name in before if name not in now]
    if not before or not (new or gone):
        return ""
    parts = [f"{len(new):,} new{_named(new)}", f"{len(gone):,} gone{_named(gone)}"]
    kept = ". The files of the runs that are gone are kept" if gone else ""
    return f"the study changed since the last command: {', '.join(parts)}, {len(now) - len(new):,} equal{kept}"


def keep(path: Path, cells: Sequence[Cell]) -> None:
    """Write the runs of this command; a folder that cannot be written costs the next command this comparison only."""
    found = _Table(format=_FORMAT, cells=table(cells))
    with suppress(OSError, Explained):
        if read(path) != found.cells:
            write_text(path, msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")


def table(cells: Sequence[Cell]) -> list[Kept]:
    return [Kept(run_id=cell.run_id, where=cell.where, settings=_settings(cell)) for cell in cells]


def _settings(cell: Cell) -> dict[str, str]:
    return {name: str(value) for name, value in cell.given.items() if name not in OF_THE_STUDY}


def read(path: Path) -> list[Kept]:
    """Return the runs of the last command; none if the file is missing, damaged or of another version."""
    with suppress(OSError, ValueError, RecursionError):
        found = msgspec.json.decode(content(path), type=_Table)
        if found.format == _FORMAT:
            return found.cells
    return []


def _named(cells: Sequence[Kept]) -> str:
    if not cells:
        return ""
    more = f" and {len(cells) - _NAMED:,} more" if len(cells) > _NAMED else ""
    return f" ({'; '.join(each.where for each in cells[:_NAMED])}{more})"
