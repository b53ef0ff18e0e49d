"""LANL's CSVs of its CNN and T2T-ViT study, read and written to the byte: github.com/lanl/CNN-T2TViT-comparison.

float32 values are printed as NumPy prints them, float64 values as Python does. A mean is the float32 sum divided by
the number of examples in float64, as in all published files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...artifacts.predictions import Predictions
from ...artifacts.runs import Run
from ...errors import InputError
from ...system.durable import write_text
from ..cells import Cell
from . import epochs

SUMMARY = "epochs_index,train_loss,val_loss,epoch_time"
TESTED = ",batch,truth,prediction,loss"
TABLE = ("TEST_AVG", "TOTAL_TIME (hr)", "AVG_EPOCH_TIME (min)", "BEST_CHKPT", "CHKPT_TEST", "CHKPT_UNDER_THSHLD",
         "OCCURED", "TTE")  # fmt: skip  # of the notebook model_results.ipynb, as spelled there
BATCH = 4  # test rows
THRESHOLD = 1e-3  # of the mean squared error
IN_A_ROW = 3  # epochs below it
_INTEGER, _NUMBER = r"\d{1,18}", r"(?:-?(?:\d+\.?\d*(?:e[-+]\d+)?|inf)|nan)"


class Epoch(NamedTuple):
    """One row of `_trainval_summary.csv`: mean squared errors, and minutes."""

    epochs_index: int  # from 1
    train_loss: float
    val_loss: float
    epoch_time: float


class Example(NamedTuple):
    """One row of `_testset_results.csv`; numbers count from 0, batches from 1."""

    number: int
    batch: int
    truth: np.float32
    prediction: np.float32
    loss: np.float32  # the squared error


def read_summary(text: str, name: str) -> list[Epoch]:
    """Return the rows of a `_trainval_summary.csv`. Raises InputError."""
    lines = _lines(text, SUMMARY, [_INTEGER, _NUMBER, _NUMBER, _NUMBER], name)
    return [Epoch(int(epoch), *map(float, numbers)) for epoch, *numbers in lines]


def summary(rows: Iterable[Epoch]) -> str:
    """Return the text of a `_trainval_summary.csv`."""
    return "\n".join([SUMMARY, *(f"{epoch},{','.join(map(repr, numbers))}" for epoch, *numbers in rows), ""])


def read_tested(text: str, name: str) -> list[Example]:
    """Return the rows of a `_testset_results.csv` or `_bestCHKPT_testset_results.csv`. Raises InputError."""
    lines = _lines(text, TESTED, [_INTEGER, _INTEGER, _NUMBER, _NUMBER, _NUMBER], name)
    return [Example(int(number), int(batch), *map(np.float32, values)) for number, batch, *values in lines]


def tested(rows: Iterable[Example]) -> str:
    """Return the text of a `_testset_results.csv`."""
    return "\n".join([TESTED, *(",".join(map(str, row)) for row in rows), ""])


def _lines(text: str, header: str, cells: Sequence[str], name: str) -> Iterator[list[str]]:
    """Yield the cells of each line after the header; raise InputError for another header, line or end."""
    first, *lines = text.split("\n")
    if first != header or not lines or lines.pop():
        raise InputError(f"{name} is not a file of LANL's study with the header {header}. Give such a file")
    fits = re.compile(",".join(cells))
    for number, line in enumerate(lines, 2):
        if not fits.fullmatch(line):
            raise InputError(f"line {number} of {name} does not fit the header {header}. Restore the published file")
        yield line.split(",")


def mean(total: float, count: int) -> float:
    """Return a mean as LANL's training computed it: the float32 sum, divided in float64."""
    return float(np.float32(total)) / count


def time_to_event(losses: Sequence[float]) -> tuple[bool, int]:
    """Return whether three consecutive validation losses were below the threshold, and the third's epoch; else the
    last epoch."""
    row = 0
    for epoch, loss in enumerate(losses, 1):
        row = row + 1 if loss < THRESHOLD else 0
        if row == IN_A_ROW:
            return True, epoch
    return False, len(losses)


def write(runs: Sequence[tuple[Cell, Run]], folder: Path, say: Callable[[str], None]) -> None:
    """Write three CSVs per run, and the notebook's table of studies; the best weights' only where they were tested."""
    lines, untested = [], []
    depths = any("depth" in cell.cells for each, _ in runs for cell in each.rows)
    for cell, run in runs:
        number = cell.rows[0].number
        assert number is not None, "`require` looked"
        stem = folder / f"study_{number:02d}" / f"study{number:02d}"
        rows = _epochs(run)
        write_text(Path(f"{stem}_trainval_summary.csv"), summary(rows))
        final = _examples(run.files.predictions)
        write_text(Path(f"{stem}_testset_results.csv"), tested(final))
        best = _examples(run.files.best_predictions) if run.files.best_predictions.exists() else []
        if best:
            write_text(Path(f"{stem}_bestCHKPT_testset_results.csv"), tested(best))
        else:
            untested.append(run.record.run_id)
        depth = [str(run.config.depth)] if depths else []
        lines.append(",".join([str(number), *depth, *_line(run, rows, final, best)]))
    head = ",".join(["studyIDX", *(["DEPTH"] if depths else []), *TABLE])
    write_text(folder / "study_table.csv", "\n".join([head, *lines, ""]))
    say("note: the test files have every test row in batches of four, and the best checkpoint is that of any epoch")
    if untested:
        count = "1 run" if len(untested) == 1 else f"{len(untested):,} runs"
        say(
            f"note: the best weights of {count} were not tested, so their bestCHKPT files are missing. "
            f"Test them with `evaluate --best --run ID`: {', '.join(untested[:10])}"
        )


def _epochs(run: Run) -> list[Epoch]:
    return [
        Epoch(
            number,
            mean(each.train_loss, each.train_examples),
            mean(each.val_loss * each.val_examples, each.val_examples),
            each.seconds / 60,
        )
        for number, each in enumerate(epochs.of_run(run), 1)
    ]


def _examples(path: Path) -> list[Example]:
    """Return the test rows of stored predictions, in batches of four."""
    found = Predictions.load(path)
    truth, prediction = found.labels.astype(np.float32), found.logits[:, 0].astype(np.float32)
    losses = np.square(prediction - truth)
    columns = zip(truth, prediction, losses, strict=True)
    return [Example(number, number // BATCH + 1, *row) for number, row in enumerate(columns)]


def _line(run: Run, rows: Sequence[Epoch], final: Sequence[Example], best: Sequence[Example]) -> list[str]:
    """Return a run's cells of the table, in the order of TABLE; empty for what was not tested."""
    hours = sum(row.epoch_time for row in rows) / 60
    occurred, epoch = time_to_event([row.val_loss for row in rows])
    checkpoint = _mean_loss(best) if best else None
    return [
        repr(_mean_loss(final)), repr(hours), repr(hours / len(rows) * 60),
        str(run.record.best.epoch) if run.record.best else "",
        "" if checkpoint is None else repr(checkpoint), "" if checkpoint is None else str(checkpoint < THRESHOLD),
        str(int(occurred)), str(epoch),
    ]  # fmt: skip


def _mean_loss(rows: Sequence[Example]) -> float:
    """Return the mean of a test file's loss column as pandas reads it: in float64."""
    return float(np.mean([float(str(row.loss)) for row in rows]))
