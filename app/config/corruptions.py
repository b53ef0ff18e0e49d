"""The corruptions that `--corruption` asks for, by their names or sets. torch is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..tables.corruptions import CORRUPTIONS, primary_of
from ..tables.names import suggestion

_SETS = ("benchmark", "primary", "histology", "all")


def default_of(kind: str) -> str:
    """Return the set that is used if none is asked for: the benchmark of images, and all of signals and fields."""
    return "benchmark" if kind == "image" else "all"


def names_of(
    asked: str | None, folder: Path | None, frost: Path | None, *, kind: str, channels: Sequence[int]
) -> tuple[str, ...]:  # fmt: skip
    """Return the corruptions that `--corruption` asks for, in the table's order: names and sets, separated by commas.

    Sets contain what can be computed for inputs of this kind: `frost` only with its photographs, and colours only for
    images of three channels. Raises InputError for unknown names, and for those of another kind.
    """
    offered = [name for name, row in CORRUPTIONS.items() if row.kind == kind]
    there = [name for name in offered if (folder / f"{name}.npy").is_file()] if folder else offered
    has = bool(folder or frost)
    fit = [
        name for name in there if (has or name != "frost") and ({*channels} == {3} or not CORRUPTIONS[name].colour)
    ]  # fmt: skip
    found: set[str] = set()
    asked = asked or default_of(kind)
    for part in (part.strip() for part in asked.split(",")):
        if part in _SETS:
            found |= {name for name in fit if _is_in(name, part)}
            continue
        _require_known(part, kind, offered)
        _require_there(part, folder, there, frost=has)
        found.add(part)
    if not found:
        where = folder or f"{kind}s"
        raise InputError(
            f"--corruption {asked} selects no corruption of {where}. Available: {', '.join(fit) or 'none'}"
        )
    return tuple(name for name in CORRUPTIONS if name in found)


def _is_in(name: str, part: str) -> bool:
    row = CORRUPTIONS[name]
    if part == "primary":
        return name in primary_of(row.kind)
    return row.set == part or (part == "all" and row.set != "histology")


def _require_known(name: str, kind: str, offered: Sequence[str]) -> None:
    """Raise InputError for an unknown name, and for a corruption of another kind of inputs."""
    if name not in CORRUPTIONS:
        raise InputError(f"unknown corruption {name!r}. {suggestion(name, [*_SETS, *offered])}")
    if (its := CORRUPTIONS[name].kind) != kind:
        raise InputError(
            f"{name} is a corruption of {its}s, but the inputs are {kind}s. Use one of: {', '.join(offered)}"
        )


def _require_there(name: str, folder: Path | None, there: Sequence[str], *, frost: bool) -> None:
    """Raise InputError for a corruption whose photographs or whose file is missing."""
    if name == "frost" and not frost:
        raise InputError("frost needs photographs of ice, which are not part of isoscale. Give --frost FOLDER, or use "
                         "frost_procedural")  # fmt: skip
    if name not in there:
        raise InputError(f"--cifar-c {folder} has no {name}.npy. Its corruptions: {', '.join(there) or 'none'}")
