"""Test accuracy against parameters: one figure per architecture, points with intervals or seeds, a line over sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
_LOG_RATIO = 4  # ratio of parameters from which the axis is logarithmic
_PANEL = 4.9  # inches of height at the usual width
_LABEL, _LABEL_LETTER, _LABEL_GAP = 14, 0.67, 2  # points; letters and the gap to point and axis, relative to them
_LEAST_LABEL = 4  # letters: room next to the outer points if labels are in the legend


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
        """Read a run's record. Raises InputError for a regression."""
        test = run.record.test
        if task.of(run.config.task) is task.values:
            raise InputError(
                f"{selection.label(run)} predicts a number. Its errors are in another figure, "
                f"{run.files.truth_png.name}"
            )
        low, high = test.top1_interval
        return cls(run, run.record.parameters.total / 1e6, 100 * test.top1, 100 * low, 100 * high)


@dataclass(frozen=True)
class Kind:
    """The evaluated runs that differ only in their seed: their name, and the place of their colour."""

    name: str
    place: int
    points: list[Point]

    @property
    def middle(self) -> Point:
        """The only point with its interval, or the mean of several seeds with their lowest and highest accuracy."""
        if len(self.points) == 1:
            return self.points[0]
        found = [point.accuracy for point in self.points]
        return replace(self.points[0], accuracy=float(np.mean(found)), low=min(found), high=max(found))


@dataclass(frozen=True)
class Fit:
    """Least squares of accuracy (percent) on the binary logarithm of parameters (millions)."""

    per_doubling: float
    at_a_million: float

    def __call__(self, millions: float) -> float:
        return self.at_a_million + self.per_doubling * float(np.log2(millions))


def draw(runs: list[Run], folder: Path, *, say: selection.Say | None = None, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw one figure per architecture, on equal axes. Return `scaling_<architecture>_<dataset>.png` and `.svg`.

    Runs without test results are named in the figure and by `say`. Raises InputError if no run has any.
    """
    evaluated = tested(runs, say)
    points = {run.files: Point.of(run) for run in evaluated}
    kinds, paths = selection.kinds(runs), []
    for name, members in selection.architectures(runs).items():
        own = {run.files for run in members} & set(points)
        missing = selection.sizes(run for run in members if run.files not in points)
        drawn = [
            Kind(label, place, [points[run.files] for run in kind if run.files in own])
            for place, (label, kind) in enumerate(kinds.items())
        ]
        if own:
            with style.house_style(canvas):
                figure = _figure([kind for kind in drawn if kind.points], [*points.values()], missing, canvas)
            paths += style.save(figure, folder / f"scaling_{name}_{checks.file_part(runs[0].config.dataset)}", canvas)
    return paths


def tested(runs: list[Run], say: selection.Say | None) -> list[Run]:
    """Return the runs with test results. `say` reports the others. Raises InputError if no run has any."""
    for run in runs:
        if say and not run.record.tested:
            say(
                f"skipped {selection.label(run)}: it has no test results. Run `run.py evaluate --run "
                f"{run.record.run_id}`"
            )
    found = [run for run in runs if run.record.tested]
    if not found:
        raise InputError(f"no run has test results. Compute them with `run.py evaluate --run {runs[-1].record.run_id}`")
    return found


def fitted(points: list[Point]) -> Fit | None:
    """Return the line through at least three different sizes, else None."""
    if len({point.run.config.size for point in points}) < _FIT_NEEDS:
        return None
    slope, height = np.polyfit([np.log2(p.millions) for p in points], [p.accuracy for p in points], 1)
    return Fit(float(slope), float(height))


def _figure(drawn: list[Kind], shared: list[Point], missing: list[str], canvas: Canvas = CANVAS) -> Figure:
    own = [point for kind in drawn for point in kind.points]
    config = own[0].run.config
    title = f"{selection.model_title(config)} on {selection.dataset_title(config.dataset)}: test accuracy by size"
    figure = style.blank(title, canvas)
    axes = figure.subplots()
    named = any(kind.name != kind.points[0].run.config.size for kind in drawn)  # too long for labels at the points
    _set_axes(axes, shared, [] if named else drawn, canvas)
    _draw_fit(axes, own, canvas)
    for kind in drawn:
        _draw_kind(axes, kind, fitted(own), canvas, in_legend=named)
    axes.set_xlabel("parameters (millions)")
    axes.set_ylabel("top-1 test accuracy (%)")
    style.legend_above(axes, canvas)
    style.caption(figure, canvas, _facts(drawn, missing))
    style.fit(figure, [axes], _PANEL * canvas.shrunk)
    return figure


def _set_axes(axes: Axes, points: list[Point], labelled: list[Kind], canvas: Canvas) -> None:
    """Set limits with room for labels on both sides. From about a fourfold range on, the parameters are logarithmic."""
    smallest, largest = min(p.millions for p in points), max(p.millions for p in points)
    low, high = min(p.low for p in points), max(p.high for p in points)
    room = max(high - low, 1.0)
    axes.set_ylim(max(low - 0.2 * room, -2), min(high + 0.15 * room, 102))
    letters = max((len(line) for kind in labelled for line in _label(kind, canvas).splitlines()), default=_LEAST_LABEL)
    share = (_LABEL_LETTER * letters + _LABEL_GAP) * canvas.points(_LABEL) / 72 / canvas.inches
    beside = share / (1 - 2 * share)  # of what lies between the outer points
    reach = max(largest - smallest, 0.5 * largest)
    if largest / smallest > _LOG_RATIO or smallest < beside * reach:
        factor = max(largest / smallest, 1.5) ** beside
        style.plain_log(axes, "x", smallest / factor, largest * factor)
    else:
        axes.set_xlim(smallest - beside * reach, largest + beside * reach)


def _label(kind: Kind, canvas: Canvas) -> str:
    between = "\n" if canvas.narrow else " "
    return f"{kind.name}:{between}{kind.middle.accuracy:.1f} %"


def _draw_fit(axes: Axes, points: list[Point], canvas: Canvas) -> None:
    """Draw the line between the smallest and the largest size with its slope, or the reason why there is none."""
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


def _draw_kind(axes: Axes, kind: Kind, line: Fit | None, canvas: Canvas, *, in_legend: bool) -> None:
    """Draw a point with its bar and label, on the side of the line where the point is, and the points of all seeds."""
    point, look = kind.middle, style.look(kind.place)
    bars = [[max(0, point.accuracy - point.low)], [max(0, point.high - point.accuracy)]]
    sizes: dict[str, Any] = {"markersize": 10, "capsize": 6, "elinewidth": 2.2}
    sizes = {name: canvas.scale * size for name, size in sizes.items()}
    named = _label(kind, CANVAS) if in_legend else None
    axes.errorbar(
        point.millions, point.accuracy, yerr=bars, color=look["color"], marker=look["marker"], linestyle="none",
        label=named, **sizes,
    )  # fmt: skip
    if len(kind.points) > 1:
        options: dict[str, Any] = {"linestyle": "none", "fillstyle": "none", "markersize": 6 * canvas.scale}
        across, up = [each.millions for each in kind.points], [each.accuracy for each in kind.points]
        axes.plot(across, up, marker="o", color=look["color"], **options)
    if in_legend:
        return
    above = line is not None and point.accuracy > line(point.millions)
    right = above == (line is not None and line.per_doubling < 0)
    axes.annotate(
        _label(kind, canvas),
        (point.millions, point.accuracy),
        xytext=(canvas.scale * (14 if right else -14), canvas.scale * (10 if above else -10)),
        textcoords="offset points",
        ha="left" if right else "right",
        va="bottom" if above else "top",
    )


def _facts(drawn: list[Kind], missing: list[str]) -> list[str]:
    """Return the caption's sentences: n, seeds, and what the bars show."""
    runs = [point.run for kind in drawn for point in kind.points]
    counts, kind = sorted({run.record.test.n for run in runs}), selection.examples(runs)
    alone, several = (any(test(len(each.points)) for each in drawn) for test in (lambda n: n == 1, lambda n: n > 1))
    trials = "The runs are trials on a limited dataset." if any(run.config.limited for run in runs) else ""
    return [
        f"n = {' or '.join(f'{n:,}' for n in counts)} test {kind}, {selection.seeds(runs)}, final weights.",
        "A size with several seeds has an open point per seed, the mean as a filled point, and a bar from the lowest "
        "to the highest seed." if several else "",
        f"{'Other error' if several else 'Error'} bars show 95 % Wilson intervals. They cover the sampling of the test "
        f"{kind}, not the variation between seeds." if alone else "",
        "The horizontal axis counts all trainable parameters.",
        f"Not evaluated: {', '.join(missing)}." if missing else "",
        trials,
        selection.warning(runs),
    ]  # fmt: skip
