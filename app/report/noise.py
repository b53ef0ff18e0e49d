"""Figures of the noise hypothesis: accuracy against severity, noisy against clean accuracy, and H by corruption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .. import task
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from ..results import joining
from ..results.corrupted import Corrupted, gathered
from ..results.exploring import Explored, explored, primary
from ..results.metrics import METRICS
from ..tables.corruptions import PRIMARY, SEVERITIES
from . import bands, gaps, selection, style
from .bands import Strand
from .canvas import CANVAS, Canvas
from .growth import arm_of
from .scaling import tested
from .series import Series, of_sizes, pair_title, pairs, series_of

_METRIC = METRICS["noise"]
_ROOM = 0.06  # of the values, around them
_LINE = 4  # runs from which a common line is drawn
_SQUARE = 5.2  # inches of height
_NAME = 24  # letters of a row's name


@dataclass(frozen=True)
class Points:
    """The accuracies of a run in percent: at severities 0 (clean) to 5, means over the primary corruptions."""

    at: tuple[float, ...]

    @property
    def clean(self) -> float:
        """The accuracy on clean images."""
        return self.at[0]

    @property
    def noisy(self) -> float:
        """The mean accuracy over the severities."""
        return float(np.mean(self.at[1:]))


def draw(runs: list[Run], folder: Path, *, say: selection.Say | None = None, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw `noise_severity_<dataset>`, `noise_clean_<dataset>`, and `noise_h_<architecture>_<first>_<size>_<dataset>`.

    The last one needs two architectures at one size, and is omitted otherwise. Returns the files. Raises InputError for
    a regression and for runs without the predictions that `robust --corruption primary` keeps.
    """
    if task.of(runs[0].config.task) is task.values:
        raise InputError(f"{selection.label(runs[0])} predicts a value. Figures of noise are for classifications")
    runs, dataset = tested(runs, say), checks.file_part(runs[0].config.dataset)
    series, more = series_of(runs), gathered(runs, _METRIC)
    paths = style.save(severities(series, more, canvas), folder / f"noise_severity_{dataset}", canvas)
    paths += style.save(clean(series, more, canvas), folder / f"noise_clean_{dataset}", canvas)
    try:
        found = pairs(series)
    except InputError as error:
        if say:
            say(f"H is not drawn: {error}")
        return paths
    for first, other in found:
        made = interaction(other, first, rows(other, first), canvas)
        stem = f"noise_h_{other.key}_{first.key}_{checks.file_part(other.size)}_{dataset}"
        paths += style.save(made, folder / stem, canvas)
    return paths


def points(run: Run, more: Corrupted) -> Points:
    """Return the accuracies of a run."""
    kept = more.of_metric[run.files.record]
    noisy = np.mean([kept.right[name].mean(1) for name in PRIMARY], axis=0)
    return Points(tuple(100 * float(each) for each in (kept.clean.mean(), *noisy)))


def rows(a: Series, b: Series) -> list[Explored]:
    """Return H of the primary corruptions, then the exploratory rows, for A against B."""
    one, other = arm_of(a), arm_of(b)
    table = joining.table([one, other], _METRIC)
    return [primary(table, one, other), *explored(table, one, other)]


def severities(series: Sequence[Series], more: Corrupted, canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of accuracy against severity, a panel per size if the architectures share their sizes."""
    runs = [run for each in series for run in each.runs]
    x = np.array([0.0, *SEVERITIES])
    strands = [Strand(each, tuple((x, np.array(points(run, more).at)) for run in each.runs)) for each in series]
    values = np.concatenate([y for strand in strands for _, y in strand.curves])

    def finish(axes: Axes) -> list[Line2D]:
        axes.set_ylim(*_around(values))
        axes.set_xlim(-0.1, SEVERITIES[-1] + 0.1)
        return []

    with style.house_style(canvas):
        return bands.figure(
            f"Accuracy under noise on {selection.dataset_title(runs[0].config.dataset)}", strands, canvas,
            ends=lambda percent: f"{percent:.1f} %", labels=("severity (0: clean)", "top-1 accuracy (%)"),
            finish=finish, facts=_facts(runs, more),
        )  # fmt: skip


def clean(series: Sequence[Series], more: Corrupted, canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of noisy against clean accuracy, a marker for each run, with the line through all of them."""
    runs = [run for each in series for run in each.runs]
    found = {run.files.record: points(run, more) for run in runs}
    x, y = (np.array([getattr(each, name) for each in found.values()]) for name in ("clean", "noisy"))
    with style.house_style(canvas):
        made = style.blank(
            f"Accuracy with and without noise on {selection.dataset_title(runs[0].config.dataset)}", canvas
        )
        axes = made.add_subplot()
        if line := _line(x, y):
            axes.plot(*line, color=style.GREY, linestyle="--", linewidth=1.2 * canvas.scale, label="line of all runs")
        for each in series:
            at = [found[run.files.record] for run in each.runs]
            look: dict[str, Any] = {**each.look, "linestyle": "none", "markersize": (5 + each.millions**0.3)}
            look["markersize"] *= canvas.scale
            axes.plot(*zip(*((one.clean, one.noisy) for one in at), strict=True), **look, label=_named(each))
        axes.set(xlabel="accuracy on clean images (%)", ylabel="accuracy under noise (%)")
        axes.set_xlim(*_around(x))
        axes.set_ylim(*_around(y))
        style.legend_above(axes, canvas)
        above = "Runs above the line keep more of their accuracy than their clean accuracy predicts." if line else ""
        style.caption(made, canvas, [*_facts(runs, more), "A marker is one run.", above])
        style.fit(made, [axes], _SQUARE)
    return made


def interaction(a: Series, b: Series, found: Sequence[Explored], canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of H of A against B: the primary row first, then the exploratory ones."""
    with style.house_style(canvas):
        made = style.blank(
            f"Change under noise on {pair_title((a, b))}: {a.architecture} minus {b.architecture}", canvas
        )
        entries = [gaps.entry(a, "keeps more"), gaps.entry(b, "keeps more"), gaps.entry(None, "")]
        above, beside = style.legend_size(entries, canvas, gaps.LEGEND)
        height = max(len(found), 4) * gaps.ROW * canvas.points(gaps.LETTERS) / 72
        grid = made.add_gridspec(2, 1, height_ratios=(above, height))
        legend = made.add_subplot(grid[0])
        legend.axis("off")
        options: dict[str, Any] = {"loc": "upper left", "borderaxespad": 0, "fontsize": canvas.points(gaps.LEGEND)}
        legend.legend(handles=entries, ncols=beside, **options)
        axes = made.add_subplot(grid[1])
        gaps.draw(axes, found, len(found), (a, b), canvas, letters=_NAME)
        axes.axhline(0.5, color=style.GREY, linewidth=0.8 * canvas.scale)
        axes.set_xlim(*gaps.limits(found))
        axes.set_xlabel("H (points)")
        style.caption(made, canvas, _of_interaction(a, b, found))
        style.fit(made, [legend, axes], above + height)
    return made


def _of_interaction(a: Series, b: Series, found: Sequence[Explored]) -> list[str]:
    runs, counts = [*a.runs, *b.runs], sorted({each.examples for each in found})
    n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return [
        f"H = (noisy - clean) of {a.architecture} - (noisy - clean) of {b.architecture}, with noisy and clean the",
        f"accuracies, on n = {n} test {selection.examples(runs)}, {len(a.runs)} and {len(b.runs)} runs,",
        f"{selection.seeds(runs)}. The first row (gaussian, shot and impulse noise) was fixed beforehand. The rest is",
        "exploratory, and filled markers are discoveries at a false discovery rate of 5 % (Benjamini and Hochberg). A",
        "bar is a 95 % interval for new seeds and new test examples.",
        of_sizes((a, b)),
        selection.warning(runs),
    ]


def _facts(runs: Sequence[Run], more: Corrupted) -> list[str]:
    n = len(more.of_metric[runs[0].files.record].rows)
    return [
        f"n = {n:,} test {selection.examples([*runs])}, {selection.seeds([*runs])}. Noise: mean over gaussian, shot",
        f"and impulse noise ({more.condition.text}).",
        selection.warning([*runs]),
    ]


def _named(series: Series) -> str:
    return f"{series.architecture} {series.size}: {series.facts}"


def _around(values: np.ndarray) -> tuple[float, float]:
    room = max(_ROOM * float(values.max() - values.min()), 0.5)
    return max(float(values.min()) - room, -1), min(float(values.max()) + room, 101)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the ends of the least-squares line, or None for few runs or equal clean accuracies."""
    if len(x) < _LINE or x.max() - x.min() < 1e-9:
        return None
    ends = np.array([x.min(), x.max()])
    slope, level = np.polyfit(x, y, 1)
    return ends, slope * ends + level
