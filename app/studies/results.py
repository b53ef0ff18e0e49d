"""The results of a study as a table: one row per run with its settings, counts, costs and metrics, as CSV and parquet.

Both files are made from the records of the runs and are results only: no command reads them.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ..artifacts.index import Entry
from ..config.run import RunConfig
from ..config.settings import declared
from ..config.settings.declaring import WRITTEN, spelled_numbers, types_of
from ..errors import Explained
from ..system.durable import content, replacing, write_text
from ..system.duration import spoken
from .folder import StudyFiles
from .progress import Progress

Say = Callable[[str], None]
_SECONDS = ("training", "waiting", "validation", "test", "lost", "occupied")
_RATES = {"top1": True, "top3": True, "top5": True, "balanced_accuracy": False}  # metrics: whether with an interval
_ERRORS = {"rmse": True, "mae": True, "r2": True}
_BEST, _EMA = "best_", "ema_"  # before the metrics of the best and of the averaged weights
_SETTINGS = {field.name: types_of(field) for field in dataclasses.fields(RunConfig) if declared(field).help}
_COLUMN = {name: name for name in _SETTINGS} | {"loss": "loss_function"}  # `loss` is that of the test


@cache
def columns() -> Mapping[str, type]:
    """Return the columns of the table with their types, in order."""
    metrics = {"n": int, "loss": float} | dict.fromkeys(_named_metrics(), float)
    return {
        "run_id": str, "state": str, "failure": str, "tag": str, "number": int, "task": str,
        **{_COLUMN[name]: _kind(types) for name, types in _SETTINGS.items()},
        "parameters": int, "flops_per_image": float, "tokens": int, "total_steps": int,
        **{f"seconds_{name}": float for name in _SECONDS}, "energy_kwh": float, "dollars": float,
        **metrics, "best_epoch": int, "best_val_loss": float,
        **{f"{before}{name}": kind for before in (_BEST, _EMA) for name, kind in metrics.items()},
        "started": str, "finished": str,
    }  # fmt: skip


def write(files: StudyFiles, found: Sequence[Progress], say: Say | None = None, *, parquet: bool = True) -> None:
    """Write `results.csv` and, with `parquet`, `results.parquet`; each replaces the file of the call before.

    A CSV with the same rows is not written again. What cannot be written is reported by `say`, or not at all without
    it, since no command needs it.
    """
    rows = [row_of(each) for each in found]
    try:
        _renew(files.results_csv, _as_csv(rows))
        if parquet:
            _write_parquet(files.results_parquet, rows)
    except (OSError, UnicodeError, Explained) as error:
        if say:
            say(f"note: the results of the study could not be written to {files.folder} ({error})")


def _renew(path: Path, text: str) -> None:
    """Write a text unless the file has it already. Raises OSError."""
    with suppress(OSError):
        if content(path) == text.encode():
            return
    write_text(path, text)


def row_of(found: Progress) -> dict[str, Any]:
    """Return the row of a run by column; None where nothing is known yet."""
    cell, config = found.cell, found.cell.config
    row: dict[str, Any] = dict.fromkeys(columns())
    row |= {"run_id": cell.run_id, "state": found.state, "failure": found.kind or None, "number": cell.rows[0].number}
    row |= {"tag": cell.given.get("tag"), "task": config.task}
    row |= {_COLUMN[name]: _plain(getattr(config, name)) for name in _SETTINGS}
    return row | _of_entry(found.run.entry) if found.run else row


def totals(found: Sequence[Progress]) -> dict[str, float]:
    """Return the seconds, energy and dollars of all runs together, by column; without what no run knows."""
    rows = [_of_entry(each.run.entry) for each in found if each.run]
    names = [*(f"seconds_{name}" for name in _SECONDS), "energy_kwh", "dollars"]
    known = {name: [row[name] for row in rows if row.get(name) is not None] for name in names}
    return {name: sum(values) for name, values in known.items() if values}


def spent(found: Sequence[Progress]) -> str:
    """Return a line with the time, energy and dollars of all runs together; empty if nothing is known."""
    took = totals(found)
    seconds = {name: took.get(f"seconds_{name}", 0) for name in _SECONDS}
    if not seconds["occupied"]:
        return ""
    parts = [f"{name} {spoken(seconds[name])}" for name in ("training", "test", "lost") if seconds[name]]
    line = f"the runs of the study took {spoken(seconds['occupied'])} so far"
    line += f" ({', '.join(parts)})" if parts else ""
    line += f", {took['energy_kwh']:,.3g} kWh" if "energy_kwh" in took else ""
    return line + (f", {took['dollars']:,.2f} USD" if "dollars" in took else "")


def _of_entry(entry: Entry) -> dict[str, Any]:
    """Return what the record of a run says, by column."""
    return {
        "tag": entry.tag,
        "parameters": entry.parameters, "flops_per_image": entry.flops_per_image, "tokens": entry.tokens,
        "total_steps": entry.total_steps, **{f"seconds_{name}": entry.spent.get(name) for name in _SECONDS},
        "energy_kwh": entry.energy_kwh, "dollars": entry.dollars,
        **_metrics(entry.results.get("test") or {}), **_metrics(entry.results.get("test_best") or {}, _BEST),
        **_metrics(entry.results.get("test_ema") or {}, _EMA),
        "best_epoch": entry.best.epoch if entry.best else None,
        "best_val_loss": entry.best.val_loss if entry.best else None,
        "started": entry.started or None, "finished": entry.finished or None,
    }  # fmt: skip


def _metrics(test: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return the metrics of a test by column, each interval as two of them."""
    found = {"n": test.get("n"), "loss": test.get("loss")}
    for name in (*_RATES, *_ERRORS):
        low, high = test.get(f"{name}_interval") or (None, None)
        found |= {name: test.get(name), f"{name}_low": low, f"{name}_high": high}
    return {f"{before}{name}": value for name, value in found.items() if name in _METRICS}


def _named_metrics() -> list[str]:
    named = (_RATES | _ERRORS).items()
    return [each for name, two in named for each in ([name, f"{name}_low", f"{name}_high"] if two else [name])]


_METRICS = {"n", "loss", *_named_metrics()}


def _kind(types: Sequence[str]) -> type:
    """Return the type of a setting's column; several numbers are a text such as 96x64."""
    kinds: dict[str, type] = {"bool": bool, "int": int, "float": float}
    return str if types[0] in WRITTEN else next((kinds[name] for name in types if name in kinds), str)


def _plain(value: Any) -> Any:
    return spelled_numbers(value) if isinstance(value, tuple) else value


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns())
    for row in rows:
        writer.writerow(["true" if v is True else "false" if v is False else v for v in row.values()])
    return text.getvalue()


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    made = {}
    for name, kind in columns().items():
        values = [None if row[name] is None else kind(row[name]) for row in rows]
        made[name] = pa.array(values, types[kind])
    with replacing(path) as aside:
        parquet.write_table(pa.table(made), aside)
