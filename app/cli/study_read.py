"""A study as the options of a command name it: its rows, its cells, and the command line of one of its workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import options as o

if TYPE_CHECKING:
    from ..studies.cells import Cell
    from ..studies.rows import Row
    from .screen import Screen

_FLAGS = ("retry_failed", "mixed_versions")


def rows_of(options: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a study. Raises InputError."""
    from ..errors import InputError
    from ..studies import axes, cells, folds, rows

    if options.get("fresh"):
        raise InputError(cells.NO_FRESH)
    given = {name: value for name, value in o.given(options).items() if name in axes.SETTINGS and name != "max_minutes"}
    file, cross = options.get("file"), axes.of_options(options.get("cross") or ())
    if not (file or cross or given.get("folds")):
        raise InputError("the study has no runs. Give a CSV or YAML file, or axes such as --cross seed=0-2")
    found = rows.of_file(file, options=given, axes=cross) if file else rows.of_axes(cross, given)
    return folds.expanded(found, options.get("repeats"))


def cells_of(options: Mapping[str, Any], rows: list[Row], screen: Screen) -> list[Cell]:
    """Return the cells of a study's rows. Raises InputError, also for runs that --legacy cannot write."""
    from ..studies import cells

    found = cells.resolved(rows, screen, checkpoints=options["checkpoints"])
    if system := options.get("legacy"):
        from ..studies.legacy import writing

        writing.require(system, found)
    return found


def worker_of(options: Mapping[str, Any]) -> list[str]:
    """Return the arguments of a command that works on the study of these options, and asks nothing."""
    from ..studies.axes import SETTINGS
    from ..studies.cells import words

    given = o.given(options)
    own = [str(given["file"])] if "file" in given else []
    own += [word for axis in given.get("cross", ()) for word in ("--cross", axis)]
    values: dict[str, str] = {
        name: f"{given[name]:.15g}" for name in ("repeats", "max_hours", "max_usd") if name in given
    }
    values |= {"claim": f"{given['claim']:g}s"} if "claim" in given else {}
    values |= {"legacy": given["legacy"]} if "legacy" in given else {}
    values |= {name: str(given[name]) for name in ("jobs", "jobs_per_device", "ranks") if given.get(name, 1) > 1}
    own += [word for name, value in values.items() for word in (_flag(name), value)]
    own += [_flag(name) for name in _FLAGS if given.get(name)]
    return ["study", "run", *own, *words({name: value for name, value in given.items() if name in SETTINGS}), "--work"]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
