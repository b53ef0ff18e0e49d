"""The training log: what a line of the training log costs beside the write itself, and its share of a step."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from app.bench import meter, ours
from app.bench.meter import Prepared
from app.bench.report import Group, Report, hardware
from app.bench.request import resolved
from app.bench.rounds import Contender, Pace, Samples, measure, spread
from app.cli import bench
from app.cli import options as o
from app.computing import execution
from app.computing.rehearsal import HeldBatch, Rehearsal
from app.log import Row, TrainingLog
from app.place import Place

from .command import run, spelled

Sizes = Annotated[str, typer.Option("--sizes", help="Sizes whose steps a line is compared with; 1M is on digits.")]
_LINES_A_STEP = 2  # train and val
_BARE, _ADD, _FETCHED = "bare write and flush", "TrainingLog.add", "TrainingLog.add, sums from the device"
_SUMS = (123.45678, 64.0)
_EXAMPLES = 128
_FIELDS = {
    "step": 1234, "epoch": 12, "split": "train", "lr": 0.000123456789, "examples": _EXAMPLES, "seconds": 0.123456,
}  # fmt: skip
_NOTES = (
    "the bare write is the same bytes to a file of its own, flushed alike; both files lie in the folder for temporary "
    "files",
    "the share of a step is that of two lines (train and val), the write included; the step is without validation, so "
    "a real one is longer",
)


def compare(
    request: Mapping[str, Any], here: Place, pace: Pace, *, sizes: Sequence[str], threads: int | None
) -> Report:
    """Microseconds per line, and the share of a step of each size; a step of 1M is one on digits."""
    with tempfile.TemporaryDirectory(prefix="isoscale-bench-") as folder, ExitStack() as opened:
        lines, _ = measure(_lines(Path(folder), here, opened), pace.share(2), meter.Memory(None))
    values = {one.name: one.values for one in lines}
    steps, _ = measure([_step(request, here, size, threads) for size in sizes], pace.share(2), meter.Memory(None))
    line = spread(values[_FETCHED]).median
    steps = [_shared(one, line) for one in steps]
    beside = spread([added - bare for added, bare in zip(values[_ADD], values[_BARE], strict=True)])
    pairs = [(_ADD, _BARE), (_FETCHED, _BARE)]
    return Report(
        bench="log",
        setting={"sizes": list(sizes), "precision": here.precision},
        hardware=hardware(here.describe()),
        groups=[
            Group(title="a line of the log", unit="µs per line", samples=lines, pairs=pairs),
            Group(title="the steps that it is a part of", unit="ms per step", samples=steps),
        ],
        notes=_NOTES,
        facts={"microseconds_beside_the_write": beside.median},
    )


def _shared(step: Samples, line: float) -> Samples:
    """A step with the share of it that its lines would take, in percent."""
    share = 100 * _LINES_A_STEP * line / 1000 / spread(step.values).median
    return replace(step, facts={**step.facts, "log_percent": share})


def _lines(folder: Path, here: Place, opened: ExitStack) -> list[Contender]:
    """Three ways to write the same line, each into a file of its own."""
    sums = torch.tensor(_SUMS, device=here.device)
    added, fetched = (opened.enter_context(closing(TrainingLog(folder / name, header={}))) for name in ("a", "b"))
    bare = opened.enter_context((folder / "bare").open("wb"))
    line = json.dumps(_FIELDS | {"loss": _SUMS[0] / _EXAMPLES, "correct": round(_SUMS[1])}).encode() + b"\n"

    def write() -> None:
        bare.write(line)
        bare.flush()

    work: dict[str, Callable[[], None]] = {
        _BARE: write,
        _ADD: lambda: added.add(Row(dict(_FIELDS), lambda: _SUMS)),
        _FETCHED: lambda: fetched.add(Row(dict(_FIELDS), here.fetch(sums))),
    }
    return [
        Contender(name=name, prepare=lambda w=one: _scaled(w, here, 1e6), required=True)  # type: ignore[misc]
        for name, one in work.items()
    ]


def _scaled(work: Callable[[], None], here: Place, scale: float) -> Prepared:
    run = meter.stopwatch(work, here.device)
    return lambda units: scale * run(units)


def _step(request: Mapping[str, Any], here: Place, size: str, threads: int | None) -> Contender:
    """A real training step of that size: on digits at the protocol's batch, or as `bench step` has it."""
    sized = {**request, "size": size}
    config = resolved({**sized, "dataset": "digits"}) if size == "1M" else ours.config_at(sized, here)
    chosen = ours.choose(config, here, execution.Wishes(threads=threads), say=lambda _: None)

    def prepare() -> Prepared:
        batch = HeldBatch.of(config, here.device)
        return _scaled(Rehearsal(config, here, batch, chosen).step, here, 1000)

    facts = {"dataset": config.dataset, "image": config.image, "batch_size": config.batch_size}
    return Contender(
        name=f"{config.model} {size}", prepare=prepare, facts=facts | {"threads": chosen.threads}, required=True,
        threads=chosen.threads,
    )  # fmt: skip


def log(
    model: o.Model = None,
    sizes: Sizes = "1M,10M",
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    device: o.Device = None,
    threads: o.Threads = None,
    rounds: bench.Rounds = bench.ROUNDS,
    seconds: bench.Seconds = bench.SECONDS,
    as_json: o.AsJson = False,
) -> None:
    """Microseconds per line of the training log beside the write itself, and its share of a step."""
    common: dict[str, Any] = {"model": model, "batch_size": batch_size, "precision": precision}
    named = [bench.requested(size=size, **common)["size"] for size in sizes.split(",")]
    measured = partial(compare, bench.requested(**common), sizes=named, threads=threads)
    bench.present(measured, device, precision, threads, rounds, seconds, as_json, spelled(log))


if __name__ == "__main__":
    sys.exit(run(log))
