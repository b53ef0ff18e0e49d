"""Loss per batch of all architectures and seeds of a dataset in one figure per split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .. import task
from ..artifacts.runs import Run
from ..config import checks
from . import bands, selection, style
from .bands import Strand
from .batches import SPLITS, Curve, Frame, each_of, rows_of
from .canvas import CANVAS, Canvas
from .series import Series, series_of


def draw(runs: list[Run], folder: Path, *, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw a figure per split of the runs of one dataset. Return the files, `loss_<split>_<dataset>`.

    Raises InputError if a run's log cannot be read.
    """
    paths, dataset = [], checks.file_part(runs[0].config.dataset)
    for split, made in figures(runs, canvas).items():
        paths += style.save(made, folder / f"loss_{split}_{dataset}", canvas)
    return paths


def figures(runs: list[Run], canvas: Canvas = CANVAS) -> dict[str, Figure]:
    """Return the figure of each split, `train` and `val`. Raises InputError as `draw`."""
    rows, series = {run.files: rows_of(run) for run in runs}, series_of(runs)
    found = {}
    for split in SPLITS:
        curves = {run.files: Curve.of(run, rows[run.files], split) for run in runs}
        with style.house_style(canvas):
            found[split] = _figure(series, [curves[run.files] for each in series for run in each.runs], split, canvas)
    return found


def _figure(series: list[Series], curves: list[Curve], split: str, canvas: Canvas) -> Figure:
    runs = [run for each in series for run in each.runs]
    config, left = runs[0].config, iter(curves)
    strands = [Strand(each, tuple((c.steps, c.line) for c in [next(left) for _ in each.runs])) for each in series]
    frame = Frame.of([replace(curve, losses=curve.line) for curve in curves])
    rows = [run.record.data.rows for run in runs]
    cut = sum(int(((c.line < frame.low) | (c.line > frame.high)).sum()) for c in curves)
    return bands.figure(
        f"{SPLITS[split].capitalize()} loss on {selection.dataset_title(config.dataset)}", strands, canvas,
        ends=lambda loss: f"{loss:#.3g}",
        labels=(f"batch ({each_of(curve.per_epoch for curve in curves)} per epoch)", selection.loss_title(config)),
        finish=lambda axes: _finish(axes, frame, runs, canvas),
        facts=[
            f"n = {each_of(each.train for each in rows)} training and {each_of(each.val for each in rows)} validation",
            f"{selection.examples(runs)}, training batch size {each_of(run.config.batch_size for run in runs)},",
            f"{selection.seeds(runs)}. A line shows the centred mean over {each_of(c.window for c in curves)} batches.",
            f"{cut:,} of {sum(len(c.line) for c in curves):,} values are outside the axes." if cut else "",
            selection.warning(runs),
        ],
    )  # fmt: skip


def _finish(axes: Axes, frame: Frame, runs: list[Run], canvas: Canvas) -> list[Line2D]:
    """Set the limits, and draw the loss of a uniform guess if it is in the frame. Return its entry of the legend."""
    if frame.logarithmic:
        style.plain_log(axes, "y", frame.low, frame.high, most=8 if canvas.narrow else 16)
    else:
        axes.set_ylim(frame.low, frame.high)
    axes.set_xlim(0, frame.right * 1.01)
    classes = {run.config.classes for run in runs}
    guess = task.of(runs[0].config.task).guess_loss(runs[0].config.classes)
    if guess is None or len(classes) > 1 or not frame.low < guess < frame.high:
        return []
    look: dict[str, Any] = {"color": style.GREY, "linestyle": ":", "linewidth": 1.5 * canvas.scale}
    axes.axhline(guess, **look)
    return [Line2D([], [], label=f"uniform guess, ln {runs[0].config.classes} = {guess:.2f}", **look)]
