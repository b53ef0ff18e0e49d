"""Test accuracy against parameters: one figure per architecture, points with intervals, a line where they allow one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import task
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from . import selection, style
from .canvas import CANVAS, Canvas

_FIT_NEEDS = 3  # different sizes
_LOG_RATIO = 4  # of parameters, from which the axis is logarithmic
_PANEL = 4.9  # inches of height at the usual width
_LABEL, _LABEL_LETTER, _LABEL_GAP = 14, 0.67, 2  # points; letters and the gap to point and axis, relative to them


@dataclass(frozen=True)
class Point:
    """One evaluated run: parameters in millions, test accuracy and its 95 % interval in percent."""

    run: Run
    millions: float
    accuracy: float
    low: float
    high: float

    @classmethod
    def of(cls, run: Run) -> Point:
        """Reads a run's record; raises InputError for a regression."""
        test = run.record.test
        if task.of(run.config.task) is task.values:
            raise InputError(
                f"{selection.label(run)} predicts a number. Its errors are in another figure, "
                f"{run.files.truth_png.name}"
            )
        low, high = test.top1_interval
        return cls(run, run.record.parameters.total / 1e6, 100 * test.top1, 100 * low, 100 * high)


@dataclass(frozen=True)
class Fit:
    """Least squares of accuracy (percent) on the binary logarithm of parameters (millions)."""

    per_doubling: float
    at_a_million: float

    def __call__(self, millions: float) -> float:
        return self.at_a_million + self.per_doubling * float(np.log2(millions))


def draw(runs: list[Run], folder: Path, *, say: selection.Say | None = None, canvas: Canvas = CANVAS) -> list[Path]:
    """One figure per architecture, on equal axes; returns `scaling_<architecture>_<dataset>.png` and `.svg`.

    Runs without test results are named in the figure and told to `say`. Raises InputError where no run has any.
    """
    points = [Point.of(run) for run in runs if _evaluated(run)]
    for run in runs:
        if say and not _evaluated(run):
            say(
                f"skipped {selection.label(run)}: it has no test results. Run `run.py evaluate --run "
                f"{run.record.run_id}`"
            )
    if not points:
        raise InputError(f"no run has test results. Compute them with `run.py evaluate --run {runs[-1].record.run_id}`")
    paths = []
    for name, members in selection.architectures(runs).items():
        if own := [Point.of(run) for run in members if _evaluated(run)]:
            missing = selection.sizes(run for run in members if not _evaluated(run))
            with style.house_style(canvas):
                figure = _figure(own, points, missing, selection.sizes(runs), canvas)
            paths += style.save(figure, folder / f"scaling_{name}_{checks.file_part(runs[0].config.dataset)}", canvas)
    return paths


def fitted(points: list[Point]) -> Fit | None:
    """The line through at least three different sizes, else None."""
    if len({point.run.config.size for point in points}) < _FIT_NEEDS:
        return None
    slope, height = np.polyfit([np.log2(p.millions) for p in points], [p.accuracy for p in points], 1)
    return Fit(float(slope), float(height))


def _evaluated(run: Run) -> bool:
    return run.record.tested


def _figure(
    own: list[Point], shared: list[Point], missing: list[str], order: list[str], canvas: Canvas = CANVAS
) -> Figure:
    config = own[0].run.config
    title = f"{selection.model_title(config)} on {selection.dataset_title(config.dataset)}: test accuracy by size"
    figure = style.blank(title, canvas)
    axes = figure.subplots()
    _set_axes(axes, shared, canvas)
    _draw_fit(axes, own, canvas)
    for point in own:
        _draw_point(axes, point, order.index(point.run.config.size), fitted(own), canvas)
    axes.set_xlabel("parameters (millions)")
    axes.set_ylabel("top-1 test accuracy (%)")
    style.legend_above(axes, canvas)
    style.caption(figure, canvas, _facts(own, missing))
    style.fit(figure, [axes], _PANEL * canvas.shrunk)
    return figure


def _set_axes(axes: Axes, points: list[Point], canvas: Canvas) -> None:
    """Limits with room for labels on both sides; parameters on a logarithmic axis where they span about fourfold."""
    smallest, largest = min(p.millions for p in points), max(p.millions for p in points)
    low, high = min(p.low for p in points), max(p.high for p in points)
    room = max(high - low, 1.0)
    axes.set_ylim(max(low - 0.2 * room, -2), min(high + 0.15 * room, 102))
    letters = max(len(line) for p in points for line in _label(p, canvas).splitlines())
    share = (_LABEL_LETTER * letters + _LABEL_GAP) * canvas.points(_LABEL) / 72 / canvas.inches
    beside = share / (1 - 2 * share)  # of what lies between the outer points
    reach = max(largest - smallest, 0.5 * largest)
    if largest / smallest > _LOG_RATIO or smallest < beside * reach:
        factor = max(largest / smallest, 1.5) ** beside
        style.plain_log(axes, "x", smallest / factor, largest * factor)
    else:
        axes.set_xlim(smallest - beside * reach, largest + beside * reach)


def _label(point: Point, canvas: Canvas) -> str:
    between = "\n" if canvas.narrow else " "
    return f"{point.run.config.size}:{between}{point.accuracy:.1f} %"


def _draw_fit(axes: Axes, points: list[Point], canvas: Canvas) -> None:
    """The line between the smallest and the largest size with its slope, or why there is none."""
    different = len({point.run.config.size for point in points})
    if (line := fitted(points)) is None:
        text = f"no fit: it needs {_FIT_NEEDS} sizes, and there {'is' if different == 1 else 'are'} {different}"
        axes.plot([], [], linestyle="none", label=text)
        return
    ends = min(p.millions for p in points), max(p.millions for p in points)
    between = np.geomspace(*ends, 50)
    text = f"least squares over {different} sizes: {line.per_doubling:+.2f} percentage points per doubling"
    width = 1.8 * canvas.scale
    axes.plot(between, [line(x) for x in between], color=style.GREY, linewidth=width, linestyle="--", label=text)


def _draw_point(axes: Axes, point: Point, place: int, line: Fit | None, canvas: Canvas) -> None:
    """The point, its interval and its label, on the side of the line that the point is on."""
    colour, marker = style.look(place)["color"], style.look(place)["marker"]
    bars = [[max(0, point.accuracy - point.low)], [max(0, point.high - point.accuracy)]]
    sizes: dict[str, Any] = {"markersize": 10, "capsize": 6, "elinewidth": 2.2}
    sizes = {name: canvas.scale * size for name, size in sizes.items()}
    axes.errorbar(point.millions, point.accuracy, yerr=bars, color=colour, marker=marker, **sizes)
    above = line is not None and point.accuracy > line(point.millions)
    right = above == (line is not None and line.per_doubling < 0)
    axes.annotate(
        _label(point, canvas),
        (point.millions, point.accuracy),
        xytext=(canvas.scale * (14 if right else -14), canvas.scale * (10 if above else -10)),
        textcoords="offset points",
        ha="left" if right else "right",
        va="bottom" if above else "top",
    )


def _facts(points: list[Point], missing: list[str]) -> list[str]:
    runs = [point.run for point in points]
    counts, kind = sorted({run.record.test.n for run in runs}), selection.examples(runs)
    trials = "The runs are trials on a limited dataset." if any(run.config.limited for run in runs) else ""
    return [
        f"n = {' or '.join(f'{n:,}' for n in counts)} test {kind}, {selection.seeds(runs)}, final weights. Error bars",
        f"show 95 % Wilson intervals. They cover the sampling of the test {kind}, not the variation between seeds. The",
        "horizontal axis counts all trainable parameters.",
        f"Not evaluated: {', '.join(missing)}." if missing else "",
        trials,
        selection.warning(runs),
    ]
