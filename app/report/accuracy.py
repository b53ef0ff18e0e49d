"""Validation accuracy per epoch of all architectures and seeds of a dataset in one figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .. import task
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from . import bands, selection, style
from .bands import Floats, Strand
from .batches import each_of, rows_of
from .canvas import CANVAS, Canvas
from .series import series_of

_ROOM = 0.06  # of the values, above and below them


def draw(runs: list[Run], folder: Path, *, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw the figure of the runs of one dataset. Return the files, `accuracy_<dataset>`.

    Raises InputError for a regression, for a damaged log, and for a run without a complete epoch.
    """
    made = figure(runs, canvas)
    return style.save(made, folder / f"accuracy_{checks.file_part(runs[0].config.dataset)}", canvas)


def figure(runs: list[Run], canvas: Canvas = CANVAS) -> Figure:
    """Return the figure. Raises InputError as `draw`."""
    if task.of(runs[0].config.task) is task.values:
        raise InputError(
            f"{selection.label(runs[0])} predicts a value, which has no accuracy. Draw its loss with `plot history`"
        )
    series, curves = series_of(runs), {run.files: _curve(run) for run in runs}
    strands = [Strand(each, tuple(curves[run.files] for run in each.runs)) for each in series]
    counts = [run.record.data.rows.val for run in runs]
    with style.house_style(canvas):
        return bands.figure(
            f"Validation accuracy on {selection.dataset_title(runs[0].config.dataset)}", strands, canvas,
            ends=lambda percent: f"{percent:.1f} %",
            labels=("epoch", "top-1 accuracy (%)"),
            finish=lambda axes: _finish(axes, strands),
            facts=[
                f"n = {each_of(counts)} validation {selection.examples(runs)}, {selection.seeds(runs)}. A value is",
                "measured at the end of an epoch" + _on(runs),
                selection.warning(runs),
            ],
        )  # fmt: skip


def _curve(run: Run) -> tuple[Floats, Floats]:
    """Return the epochs and the accuracy after each in percent. Raises InputError for a log without a complete one."""
    rows = [row for row in rows_of(run) if row["split"] == "val_full"]
    if not rows:
        raise InputError(f"{run.files.log} has no complete epoch yet. Train for at least one epoch")
    return (
        np.array([row["epoch"] for row in rows], float),
        np.array([100 * row["correct"] / row["examples"] for row in rows], float),
    )


def _on(runs: list[Run]) -> str:
    """Return the end of the caption's sentence: on which part of the validation split accuracy is measured."""
    parts = {run.config.val_batches is None for run in runs}
    return {True: ", on all of them.", False: ", on a random part of them."}[parts == {True}]


def _finish(axes: Axes, strands: list[Strand]) -> list[Line2D]:
    """Set the limits of the axes. The legend has no further entry."""
    values = np.concatenate([y for strand in strands for _, y in strand.curves])
    last = max(float(x[-1]) for strand in strands for x, _ in strand.curves)
    room = max(_ROOM * float(values.max() - values.min()), 0.5)
    axes.set_ylim(max(float(values.min()) - room, -1), min(float(values.max()) + room, 101))
    axes.set_xlim(*((0.5, 1.5) if last == 1 else (1 - 0.01 * last, last * 1.01)))
    return []
