"""The folds of `study` and `train`: the option that repeats them, and what is printed of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .screen import note

if TYPE_CHECKING:
    from ..studies.progress import Progress

Repeats = Annotated[
    int | None,
    typer.Option("--repeats", min=1, max=1000, show_default=False, rich_help_panel="Data: splits",
                 help="Train all folds for this many different partitions. Default: the one of --repeat."),
]  # fmt: skip


def is_study(options: dict[str, Any], repeats: int | None) -> bool:
    """Return whether the options of `train` mean several runs: every fold, or several repeats."""
    return repeats is not None or bool(options.get("folds") and options.get("fold") is None)


def heads(found: Sequence[Progress]) -> tuple[str, ...]:
    """Return the columns that a study with folds has in addition."""
    return ("fold",) if any(each.cell.config.folds is not None for each in found) else ()


def cells(each: Progress, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the cells of one run in these columns."""
    config = each.cell.config
    repeat = f", repeat {config.repeat}" if config.repeat else ""
    return tuple("-" if config.folds is None else f"{config.fold}/{config.folds}{repeat}" for _ in columns)


def lines(found: Sequence[Progress]) -> list[str]:
    """Return one line per group of runs that differ in fold and repeat only, below an empty line."""
    groups = _groups(found)
    return ["", *(group.line() for group in groups)] if groups else []


def to_json(found: Sequence[Progress]) -> list[dict[str, Any]]:
    """Return the cells for a machine; one of a fold has the test over all folds under `pooled`."""
    pooled = {each.cell.run_id: group.to_json() for group in _groups(found) for each in group.cells}
    return [each.to_json() | ({"pooled": pooled[run_id]} if (run_id := each.cell.run_id) in pooled else {})
            for each in found]  # fmt: skip


def _groups(found: Sequence[Progress]) -> list[Any]:
    if not heads(found):
        return []
    from ..studies import folds

    return folds.groups(found, note)
