"""Reliability diagrams: accuracy against confidence, and how the confidences are distributed, for each architecture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import task
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from ..results import calibrated, scores
from ..statistics.rates import wilson
from ..statistics.reliability import Bin
from . import selection, style
from .canvas import CANVAS, Canvas
from .scaling import tested
from .series import Series, series_of

Floats = npt.NDArray[np.float64]
_PANEL, _STRIP = 5.0, 1.1  # inches of height: of the diagram, and of the distribution below it
_STEPS = 20  # of the distribution
_FAINT = 0.35


def draw(runs: list[Run], folder: Path, *, say: selection.Say | None = None, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw a figure for each size: `reliability_<size>_<dataset>`. Return the files.

    Raises InputError for a regression and without a tested run, and Damaged for damaged predictions.
    """
    if task.of(runs[0].config.task) is task.values:
        raise InputError(f"{selection.label(runs[0])} predicts a value, which has no confidence. Use `evaluate`")
    paths, dataset = [], checks.file_part(runs[0].config.dataset)
    for size, series in by_size(tested(runs, say)).items():
        stem = f"reliability_{checks.file_part(size)}_{dataset}"
        paths += style.save(figure(series, canvas), folder / stem, canvas)
    return paths


def by_size(runs: Sequence[Run]) -> dict[str, list[Series]]:
    """Return the architectures of each size, in the order of the sizes."""
    every = series_of(runs)
    return {size: [each for each in every if each.size == size] for size in dict.fromkeys(one.size for one in every)}


def points(series: Series) -> Floats:
    """Return the points of an architecture, a row for each bin, lowest confidence first: (bins, 5).

    A row has confidence, accuracy and examples, means over the runs, and the ends of a 95 % Wilson interval of this
    accuracy and number of examples. Where runs have bins of different numbers, because confidences are equal, the
    fewest count from the highest confidence.
    """
    return _points([calibrated.bins(Predictions.load(run.files.predictions)) for run in series.runs])


def figure(series: Sequence[Series], canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of the architectures of one size."""
    runs = [run for each in series for run in each.runs]
    found = {run.files: Predictions.load(run.files.predictions) for run in runs}
    about = f"{selection.dataset_title(runs[0].config.dataset)}, {series[0].size}"
    with style.house_style(canvas):
        made = style.blank(f"Accuracy and confidence on {about}", canvas)
        grid = made.add_gridspec(2, 1, height_ratios=(_PANEL, _STRIP))
        upper = made.add_subplot(grid[0])
        lower = made.add_subplot(grid[1], sharex=upper)
        upper.plot([0, 100], [0, 100], color=style.GREY, linestyle=":", linewidth=1.2 * canvas.scale)
        for each in series:
            _draw(upper, each, [found[run.files] for run in each.runs], canvas)
            _distribution(lower, each, [found[run.files] for run in each.runs], canvas)
        upper.set(xlim=(0, 100), ylim=(0, 100), ylabel="accuracy (%)")
        upper.tick_params(labelbottom=False)
        lower.set(xlabel="confidence (%)", ylabel="share (%)", ylim=(0, None))
        style.legend_above(upper, canvas)
        style.caption(made, canvas, _facts(runs, found[runs[0].files]))
        style.fit(made, [upper, lower], _PANEL + _STRIP)
    return made


def _draw(axes: Axes, series: Series, found: Sequence[Predictions], canvas: Canvas) -> None:
    """Draw each run's bins as a faint line, and their means over the runs with Wilson intervals."""
    look = series.look
    each = [calibrated.bins(one) for one in found]
    for bins in each if len(each) > 1 else ():
        xs, ys = ([100 * getattr(one, name) for one in bins] for name in ("confidence", "accuracy"))
        axes.plot(xs, ys, color=look["color"], linewidth=1.0 * canvas.scale, alpha=_FAINT)
    xs, ys, _, *ends = 100 * _points(each).T
    axes.errorbar(
        xs, ys, yerr=np.abs(ends - ys), label=f"{series.architecture}: {series.facts}", elinewidth=1.2 * canvas.scale,
        linewidth=2.0 * canvas.scale, markersize=5 * canvas.scale, **look,
    )  # fmt: skip


def _points(each: Sequence[Sequence[Bin]]) -> Floats:
    fewest = min(map(len, each))
    means = np.mean([[[one.confidence, one.accuracy, one.n] for one in bins[-fewest:]] for bins in each], axis=0)
    return np.array([[*mean, *wilson(mean[1] * mean[2], mean[2])] for mean in means])


def _distribution(axes: Axes, series: Series, found: Sequence[Predictions], canvas: Canvas) -> None:
    """Draw the share of the test examples at each confidence, over all runs."""
    values = np.concatenate([scores.confidences(one) for one in found])
    counts, edges = np.histogram(values, bins=_STEPS, range=(0, 1))
    look: dict[str, Any] = {name: series.look[name] for name in ("color", "linestyle")}
    axes.stairs(100 * counts / len(values), 100 * edges, linewidth=1.6 * canvas.scale, **look)


def _facts(runs: list[Run], first: Predictions) -> list[str]:
    """Return the caption's sentences: n, seeds, bins, bars, and the dotted line."""
    return [
        f"n = {len(first.rows):,} test {selection.examples(runs)}, {selection.seeds(runs)}, final weights.",
        "Each bin has about the same number of examples, sorted by confidence, the highest class probability. A point",
        "is the mean over the runs, a faint line is one run, and a bar is the 95 % Wilson interval of one run's bin.",
        "On the dotted line, accuracy and confidence are equal. Below: the share of the examples at each confidence.",
        selection.warning(runs),
    ]
