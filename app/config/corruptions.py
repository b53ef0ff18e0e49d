"""The corruptions that `--corruption` asks for, by their names or sets. torch is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..tables.corruptions import CORRUPTIONS, PRIMARY
from ..tables.names import suggestion

_SETS = ("benchmark", "primary", "all")


def names_of(asked: str, folder: Path | None, frost: Path | None, *, channels: Sequence[int]) -> tuple[str, ...]:
    """Return the corruptions that `--corruption` asks for, in the table's order: names and sets, separated by commas.

    Sets contain what can be computed: `frost` only with its photographs, and colours only for images of three channels.
    Raises InputError for unknown names.
    """
    there = [name for name in CORRUPTIONS if (folder / f"{name}.npy").is_file()] if folder else [*CORRUPTIONS]
    has = bool(folder or frost)
    fit = [
        name for name in there if (has or name != "frost") and ({*channels} == {3} or not CORRUPTIONS[name].colour)
    ]  # fmt: skip
    found: set[str] = set()
    for part in (part.strip() for part in asked.split(",")):
        if part in _SETS:
            found |= {name for name in fit if _is_in(name, part)}
            continue
        if part not in CORRUPTIONS:
            raise InputError(f"unknown corruption {part!r}. {suggestion(part, [*_SETS, *CORRUPTIONS])}")
        _require_there(part, folder, there, frost=has)
        found.add(part)
    if not found:
        raise InputError(
            f"--corruption {asked} selects no corruption of {folder}. It has: {', '.join(there) or 'none'}"
        )
    return tuple(name for name in CORRUPTIONS if name in found)


def _is_in(name: str, part: str) -> bool:
    if part == "primary":
        return name in PRIMARY
    return part == "all" or CORRUPTIONS[name].set == part


def _require_there(name: str, folder: Path | None, there: Sequence[str], *, frost: bool) -> None:
    """Raise InputError for a corruption whose photographs or whose file is missing."""
    if name == "frost" and not frost:
        raise InputError("frost needs photographs of ice, which are not part of isoscale. Give --frost FOLDER, or use "
                         "frost_procedural")  # fmt: skip
    if name not in there:
        raise InputError(f"--cifar-c {folder} has no {name}.npy. Its corruptions: {', '.join(there) or 'none'}")
