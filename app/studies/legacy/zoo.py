"""The CIFAR zoo's text log and CSV of one run, read and written: github.com/kentaroy47/vision-transformers-cifar10.

Its `val loss` is the sum of the mean losses of its test batches of 100; its accuracies are percentages.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ... import log
from ...artifacts.runs import Run
from ...config.checks import file_part
from ...errors import InputError
from ...system.durable import write_text
from ..cells import Cell
from . import epochs

BATCH = 100  # rows, over whose batches losses are summed
PATCH = 4  # the zoo's default, which is in the file names of nets without patches too
_NETS = {f"resnet{depth}": f"res{depth}" for depth in (18, 34, 50, 101)}
_LINE = re.compile(
    r"(?P<when>\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}) Epoch (?P<epoch>\d+), lr: (?P<lr>\d+\.\d{7}), "
    r"val loss: (?P<loss>-?\d+\.\d{5}|nan|inf), acc: (?P<acc>\d+\.\d{5})"
)


class Line(NamedTuple):
    """One line of the text log, of one epoch."""

    when: str  # as `time.ctime` writes it
    epoch: int  # from 0
    lr: float
    loss: float  # a sum over batches
    acc: float  # in percent


class Series(NamedTuple):
    """The two rows of the CSV: the losses and the accuracies of all epochs."""

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]


def read_log(text: str, name: str) -> list[Line]:
    """Return the lines of a text log, of all runs that were appended to it. Raises InputError."""
    *lines, last = text.split("\n")
    matches = [_LINE.fullmatch(line) for line in lines]
    bad = next((number for number, match in enumerate(matches, 1) if not match), len(lines) + 1 if last else None)
    if bad or not lines:
        raise InputError(f"line {bad or 1} of {name} is not of a log of the CIFAR zoo. Give such a file")
    return [Line(m["when"], int(m["epoch"]), float(m["lr"]), float(m["loss"]), float(m["acc"])) for m in matches if m]


def log_text(lines: Iterable[Line]) -> str:
    """Return the text log."""
    return "".join(
        f"{each.when} Epoch {each.epoch}, lr: {each.lr:.7f}, val loss: {each.loss:.5f}, acc: {each.acc:.5f}\n"
        for each in lines
    )


def read_csv(text: str, name: str) -> Series:
    """Return the two rows of a CSV. Raises InputError."""
    try:
        losses, accuracies, end = text.split("\n")
        found = Series(*(tuple(map(float, row.split(","))) for row in (losses, accuracies)))
        if end or len(found.losses) != len(found.accuracies):
            raise ValueError
    except ValueError:
        raise InputError(
            f"{name} is not a CSV of the CIFAR zoo, with two rows of one length. Give such a file"
        ) from None
    return found


def csv_text(series: Series) -> str:
    """Return the CSV: no header, numbers as Python prints them."""
    return "".join(",".join(map(repr, row)) + "\n" for row in series)


def write(runs: Sequence[tuple[Cell, Run]], folder: Path, say: Callable[[str], None]) -> None:
    """Write the text log and the CSV of each run into a folder of its ID, from its full validation passes."""
    for cell, run in runs:
        config = cell.config
        net, dataset = _NETS.get(config.model, config.model), file_part(config.dataset)
        stem = folder / config.run_id / f"log_{file_part(net)}_{dataset}_patch{config.patch or PATCH}"
        lines = _lines(run)
        write_text(Path(f"{stem}.txt"), log_text(lines))
        write_text(Path(f"{stem}.csv"), csv_text(Series(*zip(*((each.loss, each.acc) for each in lines), strict=True))))
    say("note: losses and accuracies are of the validation split, where the zoo has its test split")


def _lines(run: Run) -> list[Line]:
    """Return a line per epoch; its time is that of the end of the epoch, in UTC."""
    found = epochs.of_run(run)
    return [
        Line(
            time.asctime(end.utctimetuple()),
            number,
            each.lr,
            each.val_loss * each.val_examples / BATCH,
            100 * each.val_correct / each.val_examples,
        )
        for number, (each, end) in enumerate(zip(found, _ends(run, found), strict=True))
    ]


def _ends(run: Run, found: Sequence[epochs.Epoch]) -> list[datetime]:
    """Return when each epoch ended: the start of the process that computed it, and the seconds of its rows since."""
    rows = log.read(run.files.log)[1]
    ends = []
    for epoch in found:
        place = [each for each in run.record.places if (each.from_step or 0) < epoch.step][-1]
        since = place.from_step or 0
        seconds = sum(row.get("seconds", 0) for row in rows if since < row["step"] <= epoch.step)
        ends.append(datetime.fromisoformat(place.started or run.record.started) + timedelta(seconds=seconds))
    return ends
