"""The rows that a finished run's log must contain: every batch of every epoch, once and in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..artifacts.runs import Run
from . import kept


def expected(run: Run) -> Iterator[tuple[int, int, str, int]]:
    """Yield (step, epoch, split, examples) of each row, from the config and the counts of the record."""
    config, counts = run.config, run.record.data.rows
    starts = range(0, counts.train, config.batch_size)
    steps = itertools.count(1)
    for epoch in range(1, config.epochs + 1):
        for start in starts:
            step = next(steps)
            yield step, epoch, "train", min(config.batch_size, counts.train - start)
            yield step, epoch, "val", min(config.val_batch_size, counts.val)
        yield step, epoch, "val_full", counts.val
        if config.ema:
            yield step, epoch, "val_ema", counts.val


def faults(run: Run) -> list[str]:
    """Return the errors in a finished run's log."""
    header, *rows = kept.rows(run.files.log)
    names = ("run_id", "model", "size", "dataset")
    found = [
        f"the header's {name} is {header.get(name)}" for name in names if header.get(name) != getattr(run.record, name)
    ]
    must = list(expected(run))
    stands = [(row["step"], row["epoch"], row["split"], row["examples"]) for row in rows]
    found += [
        f"{stood} stands where {wanted} must" for stood, wanted in zip(stands, must, strict=False) if stood != wanted
    ]
    if len(stands) != len(must):
        found.append(f"{len(stands)} rows, {len(must)} are expected")
    if not rows or rows[-1]["step"] != run.record.schedule.total_steps:
        found.append("the last step is not the schedule's last")
    return found[:3]


def tally(run: Run) -> str:
    """Return how often the rows go through the splits, as text."""
    _, *rows = kept.rows(run.files.log)
    counts, epochs = run.record.data.rows, run.config.epochs
    seen = {split: sum(row["examples"] for row in rows if row["split"] == split) for split in ("train", "val")}
    return (
        f"a header and {len(rows)} rows, steps 1 to {rows[-1]['step']} each once and in order; {epochs} epochs see "
        f"{seen['train']:,} = {epochs} x {counts.train:,} examples, validation batches {seen['val']:,} of "
        f"{counts.val:,}, {seen['val'] / counts.val:g} times round"
    )
