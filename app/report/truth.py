"""Truth against prediction of a run's test set, with the line of equality, and errors below on a separate axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import task
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..errors import InputError
from ..sharing.card import results
from . import selection, style
from .canvas import CANVAS

_PANELS = 6.6  # inches of height, of both
Floats = npt.NDArray[np.float64]


def draw_run(run: Run) -> list[Path]:
    """Draw the figure next to the run's other files.

    Raises InputError for a classification and for a run without a test.
    """
    if task.of(run.config.task) is not task.values:
        raise InputError(f"{selection.label(run)} predicts classes. Its figure is {run.files.confusion_png.name}")
    if not run.record.tested:
        raise InputError(f"{selection.label(run)} has no test results. Run `run.py evaluate --run {run.record.run_id}`")
    run.require_whole("predictions", fix="Run `evaluate --again` to recompute it")
    found = Predictions.load(run.files.predictions)
    with style.house_style():
        figure = _figure(run, found.labels.astype(float), found.logits[:, 0].astype(float))
    return style.save(figure, run.files.truth_png.with_suffix(""))


def _figure(run: Run, truth: Floats, prediction: Floats) -> Figure:
    name = style.legible(str(run.record.data.class_names[0]))
    figure = style.blank(f"{selection.run_title(run.config)}: predicted and true values")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    ends = _ends(np.concatenate([truth, prediction]))
    above.plot(ends, ends, color=style.GREY, linestyle="--", linewidth=1.5, label="prediction = true value")
    _draw_points(above, truth, prediction)
    above.set_xlim(*ends)
    above.set_ylim(*ends)
    above.set_ylabel(f"predicted {name}")
    test = run.record.test
    below.axhline(0, color=style.GREY, linestyle="--", linewidth=1.5)
    _draw_points(below, truth, prediction - truth)
    band = {"color": style.COLOURS[5], "alpha": 0.25, "linewidth": 0}
    below.axhspan(-test.rmse, test.rmse, **band)
    above.fill([], [], label=f"errors up to the RMSE, {test.rmse:.3g}", **band)
    below.set_ylabel("error")
    below.set_xlabel(f"true {name}")
    style.legend_above(above, CANVAS)
    style.caption(figure, CANVAS, _facts(run))
    style.fit(figure, [above, below], _PANELS)
    return figure


def _ends(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


def _draw_points(axes: Axes, x: Floats, y: Floats) -> None:
    size, many = float(np.clip(120 / len(x) ** 0.5, 2.5, 8)), len(x) > 2000
    axes.plot(x, y, "o", color=style.COLOURS[0], markersize=size, markeredgewidth=0, alpha=0.5, rasterized=many)


def _facts(run: Run) -> list[str]:
    """Return the caption's sentences: n, errors with intervals, the unit of resampling, seed."""
    test = run.record.test
    numbers = results(run, test)
    numbers["RMSE"] = numbers["RMSE"].replace(f", n = {test.n:,}", "")
    units = "groups of one name (the frames of one simulation)" if test.resampled == "names" else "examples"
    return [
        f"n = {test.n:,} test examples. {', '.join(f'{name} {text}' for name, text in numbers.items())}.",
        f"The intervals are from 2,000 bootstrap resamples of {units}.",
        "The error is the prediction minus the true value.",
        f"{run.record.parameters.total:,} parameters, {selection.seeds([run])}, run {run.record.run_id},",
        f"final weights (epoch {run.config.epochs}).",
        selection.warning([run]),
    ]
