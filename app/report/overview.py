"""The table of runs: as wide as its text in a file, and fitted to the width of a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..artifacts.listing import Listed
from ..system.columns import fitted, total

_SETTINGS = ("seed", "epochs", "lr")
_OWN = ("run", "result", "state")  # columns of which no two runs need to have the same value
_FIRST_TO_GO = ("lr", "epochs", "size")  # on a narrow terminal
_FOLDS = ("dataset", "model", "state", "result")


def table(runs: Sequence[Listed], also: Collection[str] = (), width: int | None = None) -> str:
    """Return the table.

    `also` names further settings with columns, and `width` is that of the terminal, if there is one. If the terminal is
    too narrow, values that all runs share are printed above the table, then columns are omitted, and then cells
    continue in the next line.
    """
    rows = [_row(run, also) for run in runs]
    heads, above = [*rows[0]], ""
    if width is not None and len(rows) > 1 and total(heads, [[*row.values()] for row in rows]) > width:
        shared = [head for head in heads if head not in _OWN and len({row[head] for row in rows}) == 1]
        heads = [head for head in heads if head not in shared]
        above = "all runs: " + ", ".join(f"{head} {rows[0][head]}" for head in shared) + "\n" if shared else ""
    cells = [[row[head] for head in heads] for row in rows]
    return above + fitted(heads, cells, width, omits=_FIRST_TO_GO, folds=_FOLDS, left=["run"])


def _row(run: Listed, also: Collection[str]) -> dict[str, str]:
    entry = run.entry
    settings = {
        name: cell(entry.settings.get(name)) for name in (*_SETTINGS, *also) if name not in ("model", "dataset")
    }
    return {
        "run": entry.run_id,
        "model": entry.model,
        "size": "-" if entry.size == entry.model else entry.size,
        "dataset": entry.dataset,
        **{name: value for name, value in settings.items() if name != "size"},
        "result": run.result or "-",
        "state": run.shown,
    }


def cell(value: object) -> str:
    """Return a setting's value as an option accepts it."""
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else "-" if value is None else str(value)
