"""A run's record as a page of text: results, configuration, data, versions, machines, and files with sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..artifacts.listing import state_of, stem_of
from ..artifacts.record import Record, plain
from ..artifacts.runs import Run
from ..sharing.card import percent, test_lines
from ..system import storage
from ..system.duration import spoken
from ..system.printable import NAME, printable
from .overview import cell

_CLASSES = 10  # names of classes that are shown
_NAMES = 18  # characters of a row's name


def sizes(run: Run) -> dict[str, int]:
    """Return the name and the bytes of each file of a run, in a fixed order. A folder counts all of its files."""
    there = [path for path in run.files.all() if path != run.files.lock]
    return {path.name: storage.taken(path) for path in there if path.exists() or path.is_symlink()}


def to_json(run: Run) -> dict[str, Any]:
    """Return the record with the run's state, the common beginning of its files' paths, and their bytes."""
    state, step = state_of(run.files, run.record.status, run.record.schedule.total_steps)
    about = {"state": state, "step": step, "path": str(stem_of(run.files)), "bytes": sizes(run)}
    return plain(run.record) | about


def to_text(run: Run) -> str:
    """Return the page as text."""
    record = run.record
    model = record.model if record.size == record.model else f"{record.model} {record.size}"
    sections = {
        f"run {record.run_id}: {model} on {record.dataset}": _head(run),
        "results": _results(run),
        "configuration": _values(run.config.to_json()),
        "data": _data(run),
        "where it was computed": _places(run),
        "how it was computed": _values(record.stored_execution),
        "versions": _values({**record.versions, "commit": record.commit or None}),
        "files": ((name, storage.spoken(count)) for name, count in sizes(run).items()),
    }
    return "\n".join(line for title, rows in sections.items() for line in _section(title, [*rows]))


def _section(title: str, rows: list[tuple[str, object]]) -> list[str]:
    wide = max([_NAMES, *(len(name) + 2 for name, _ in rows)])
    return [printable(title), *([f"  {name:<{wide}}{printable(value)}" for name, value in rows] or ["  none"])]


def _head(run: Run) -> Iterator[tuple[str, object]]:
    record = run.record
    state, step = state_of(run.files, record.status, record.schedule.total_steps)
    yield "state", f"{state}, step {step:,} of {record.schedule.total_steps:,}"
    if record.failure:
        yield "failure", f"{record.failure.kind}: {record.failure.sentence}"
    yield "started", record.started or "unknown"
    if record.finished:
        yield "finished", record.finished
    if record.tag:
        yield "tag", record.tag
    yield from _costs(record)
    if record.peak_bytes is not None:
        yield "peak memory", storage.spoken(record.peak_bytes)
    yield "parameters", f"{record.parameters.total:,} ({record.parameters.non_embedding:,} without embeddings)"
    if record.code:
        yield "code of", f"{record.code.path}:{record.code.name} (sha256 {record.code.sha256[:16]})"
    if record.init:
        yield "weights from", f"{record.init.source} (sha256 {record.init.sha256[:16]})"
    yield "command", record.command
    yield "path", stem_of(run.files)


def _costs(record: Record) -> Iterator[tuple[str, object]]:
    """Yield what the run took so far, as far as it is known."""
    if record.seconds:
        yield "training time", spoken(record.seconds.training)
        if record.seconds.lost:
            yield "lost work", spoken(record.seconds.lost)
    if record.energy_kwh is not None:
        yield "energy", f"{record.energy_kwh:.3g} kWh"
    if record.dollars is not None:
        yield "cost", f"{record.dollars:,.2f} USD"


def _results(run: Run) -> Iterator[tuple[str, object]]:
    """Yield the tests, each in several lines, and the epoch with the lowest validation loss."""
    record = run.record
    tests = {"final weights": record.test if record.tested else None}
    if record.results:
        tests |= {"best weights": record.results.test_best, "averaged weights": record.results.test_ema}
        kept = record.results.test_kept
        tests |= {f"epoch {kept.epoch}": kept} if kept else {}
        tests |= {f"on {test.path}": test for test in (record.results.elsewhere or {}).values()}
    for name, test in tests.items():
        for number, line in enumerate(filter(None, test_lines(run, test) if test else [])):
            yield (printable(name, NAME) if number == 0 else ""), line
    if record.best:
        yield "best epoch", f"{record.best.epoch:,}, validation loss {record.best.val_loss:.4g}"


def _data(run: Run) -> Iterator[tuple[str, object]]:
    data = run.record.data
    names = ", ".join(printable(name, NAME) for name in data.class_names[:_CLASSES])
    more = f" and {len(data.class_names) - _CLASSES:,} more" if len(data.class_names) > _CLASSES else ""
    yield "from", data.hub or data.path or "isoscale"
    yield "version", data.version
    yield "rows", ", ".join(f"{split} {count:,}" for split, count in msgspec.to_builtins(data.rows).items())
    yield ("targets" if run.config.task == "regression" else "classes"), names + more
    if data.class_rows and run.config.task != "regression":
        test = data.class_rows.get("test") or []
        yield "largest class", percent(max(test) / max(1, sum(test))) + " of the test rows" if test else "unknown"
    if data.left_out:
        yield "skipped", f"{len(data.left_out):,} files that could not be read"
    yield "licence", data.licence
    if data.warning:
        yield "note", data.warning
    yield "splits", data.split_fingerprint


def _places(run: Run) -> Iterator[tuple[str, object]]:
    for place in run.record.places:
        about = {
            "threads": place.threads, "ranks": place.ranks, "runs at once on the device": place.jobs_per_device,
            "platform": place.platform, "from": place.started,
        }  # fmt: skip
        told = ", ".join(f"{name} {value}" for name, value in about.items() if value is not None)
        yield (
            f"from step {place.from_step or 0:,}",
            f"{place.device}, {place.precision}" + (f", {told}" if told else ""),
        )


def _values(values: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the values that are given, by name."""
    for name, value in values.items():
        if value is not None:
            yield name, cell(value)
