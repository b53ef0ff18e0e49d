"""`--log`: every batch of every epoch stands in the log once and in order, also after its last line was cut in two."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..artifacts.paths import Run
from . import kept
from .kill import killed
from .trial import Trial, Verdict


def prove(trial: Trial, _count: int) -> Verdict:
    """Looks at an undisturbed log, and at one that was killed, spoilt in its last line, and continued."""
    verdict, chance = Verdict("log"), trial.chance("log")
    whole = kept.the_run(trial.reference)
    verdict.failures += [f"undisturbed: {what}" for what in faults(whole)]
    trial.say(f"undisturbed: {tally(whole)}")
    folder = trial.folder("cut-log")
    at, said = killed(trial, folder, chance.randint(2, trial.steps - 1), chance)
    verdict.expect(at is not None, "the kill did not strike")
    half = _spoil(folder, chance.random())
    trial.say(f"{said}; then {half!r} was put at the log's end")
    trial.finish(folder)
    mended = kept.the_run(folder)
    verdict.failures += [f"continued: {what}" for what in faults(mended)]
    verdict.failures += kept.differences(trial.reference, folder)
    trial.say(f"continued: {tally(mended)}")
    verdict.facts = {"lines": len(kept.rows(whole.files.log))}
    verdict.summary = f"{tally(whole)}; the same after a kill and half a line at its end"
    return verdict


def _spoil(folder: Path, share: float) -> str:
    """Puts the beginning of a row, without its end, behind the log of a killed run; returns it."""
    log = next(folder.rglob("*_training.log"))
    line = log.read_text().splitlines()[-1]
    half = line[: 1 + int(share * (len(line) - 1))]
    with log.open("a") as file:
        file.write(half)
    return half


def expected(record: dict[str, Any]) -> Iterator[tuple[int, int, str, int]]:
    """(step, epoch, split, examples) of each row, from the config and the counts of the record."""
    config, counts = record["config"], record["data"]["rows"]
    starts = range(0, counts["train"], config["batch_size"])
    steps = itertools.count(1)
    for epoch in range(1, config["epochs"] + 1):
        for start in starts:
            step = next(steps)
            yield step, epoch, "train", min(config["batch_size"], counts["train"] - start)
            yield step, epoch, "val", min(config["val_batch_size"], counts["val"])
        yield step, epoch, "val_full", counts["val"]


def faults(run: Run) -> list[str]:
    """What is wrong with a finished run's log."""
    header, *rows = kept.rows(run.files.log)
    names = ("run_id", "model", "size", "dataset")
    found = [f"the header's {name} is {header.get(name)}" for name in names if header.get(name) != run.record[name]]
    must = list(expected(run.record))
    stands = [(row["step"], row["epoch"], row["split"], row["examples"]) for row in rows]
    found += [
        f"{stood} stands where {wanted} must" for stood, wanted in zip(stands, must, strict=False) if stood != wanted
    ]
    if len(stands) != len(must):
        found.append(f"{len(stands)} rows, {len(must)} are expected")
    if not rows or rows[-1]["step"] != run.record["schedule"]["total_steps"]:
        found.append("the last step is not the schedule's last")
    return found[:3]


def tally(run: Run) -> str:
    """How often the rows go through the splits."""
    _, *rows = kept.rows(run.files.log)
    counts, epochs = run.record["data"]["rows"], run.record["config"]["epochs"]
    seen = {split: sum(row["examples"] for row in rows if row["split"] == split) for split in ("train", "val")}
    return (
        f"a header and {len(rows)} rows, steps 1 to {rows[-1]['step']} each once and in order; {epochs} epochs see "
        f"{seen['train']:,} = {epochs} x {counts['train']:,} examples, validation batches {seen['val']:,} of "
        f"{counts['val']:,}, {seen['val'] / counts['val']:g} times round"
    )
