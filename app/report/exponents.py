"""Scaling fits: error against parameters on two logarithmic axes, all architectures in one panel, with exponents."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..artifacts.runs import Run
from ..config import checks
from ..results.by_size import BySize, Mean, by_size
from ..results.fits import Fit, Fits, fits
from ..results.metrics import METRICS
from ..system.durable import write_text
from . import selection, style
from .canvas import CANVAS, Canvas
from .growth import Axis, arm_of
from .scaling import tested
from .series import Series, series_of

_PANEL, _LEAST = 5.2, 3.0  # inches of height, at the usual width and in a narrow figure
_BEYOND = 1.5  # the range of sizes times this is drawn dashed, on both sides
_ROOM = 1.12  # of the errors, below and above them
_STEPS = 60  # of a curve
Floats = npt.NDArray[np.float64]


def fitted(runs: list[Run], say: selection.Say | None = None) -> tuple[list[Series], Fits, BySize]:
    """Return the series of the tested runs of one dataset, their fits, and their means by size.

    Raises InputError if no run is tested, for folds, and if no architecture has sizes enough for a fit.
    """
    series = series_of(tested(runs, say))
    arms = [arm_of(each) for each in series]
    found = fits(arms)
    return series, found, by_size(arms, METRICS["rmse" if found.chance is None else "top1"])


def draw(runs: list[Run], folder: Path, *, say: selection.Say | None = None, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw the figure of the runs of one dataset. Return the files, `scaling_fit_<dataset>` and its numbers as JSON.

    Raises InputError as `fitted`.
    """
    series, found, means = fitted(runs, say)
    stem = folder / f"scaling_fit_{checks.file_part(found.dataset)}"
    paths = style.save(figure(series, found, means, canvas), stem, canvas)
    numbers = stem.with_name(f"{stem.name}.json")
    write_text(numbers, json.dumps(found.to_json(), indent=2) + "\n")
    return [*paths, numbers]


def figure(series: Sequence[Series], found: Fits, means: BySize, canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of fits whose architectures are those of the series."""
    places = {each.architecture: each.place for each in series}
    counts = [each.parameters / 1e6 for each in means.means]
    axis = Axis(min(counts), max(counts), len(places))
    with style.house_style(canvas):
        dataset = selection.dataset_title(found.dataset)
        made = style.blank(f"Scaling of the test error on {dataset}", canvas)
        axes = made.subplots()
        for family in found.families:
            _draw_fit(axes, family, places[family.architecture], _scale(found), canvas)
        for name, place in places.items():
            own = [each for each in means.means if each.architecture == name]
            _draw_means(axes, own, _error_of(found), (axis, place), canvas)
        _finish(axes, (min(counts), max(counts)), found, means, canvas)
        style.legend_above(axes, canvas)
        style.caption(made, canvas, _facts(series, found, means))
        style.fit(made, [axes], max(_PANEL * canvas.shrunk, _LEAST))
    return made


def _scale(found: Fits) -> float:
    """Return the factor of an error that is drawn: percent of a classification."""
    return 1.0 if found.chance is None else 100.0


def _error_of(found: Fits) -> Callable[[float], float]:
    """Return the function from a result, accuracy or RMSE, to the error that is drawn."""
    return (lambda value: value**2) if found.chance is None else (lambda value: 100 * (1 - value))


def _draw_fit(axes: Axes, fit: Fit, place: int, scale: float, canvas: Canvas) -> None:
    """Draw the line with its band, solid within the range of sizes and dashed beyond, and the curve with a floor."""
    low, high = fit.runs.steps[0], fit.runs.steps[-1]
    sizes = np.geomspace(low / _BEYOND, high * _BEYOND, _STEPS)
    sizes, look = np.unique([*sizes, low, high]), style.look(place)
    inside = (sizes >= low) & (sizes <= high)
    found = [fit.line.log_error(float(size)) for size in sizes]
    line = scale * np.exp([each.value for each in found])
    ends = [each.interval() or (each.value, each.value) for each in found]
    band = scale * np.exp(np.array(ends))  # (sizes, 2)
    wide = (1.2 if fit.prefers_floor else 2.2) * canvas.scale
    x = sizes / 1e6
    axes.fill_between(x, band[:, 0], band[:, 1], color=look["color"], alpha=0.14, linewidth=0)
    axes.plot(x[inside], line[inside], color=look["color"], linewidth=wide)
    for part in (x <= low / 1e6, x >= high / 1e6):
        axes.plot(x[part], line[part], color=look["color"], linewidth=wide, linestyle=(0, (4, 3)))
    if fit.floor:
        curve = scale * np.exp([fit.floor.log_error(float(size)) for size in sizes])
        wide = (2.2 if fit.prefers_floor else 1.2) * canvas.scale
        axes.plot(x, curve, color=look["color"], linewidth=wide, linestyle=(0, (6, 2, 1, 2)))
    axes.plot([], [], label=_label(fit), **{**look, "linestyle": "-"})


def _label(fit: Fit) -> str:
    """Return the legend's text: the exponent with its interval, and what it is."""
    low, high = (f"{size / 1e6:.3g}M" for size in (fit.runs.steps[0], fit.runs.steps[-1]))
    if fit.floor is None:
        return f"{fit.architecture}: b = {_said(fit.line.b)}, local slope over {low} to {high}"
    better = "with it" if fit.prefers_floor else "without it"
    return (
        f"{fit.architecture}: b = {_said(fit.line.b)}, with a floor {_said(fit.floor.b)} (left-out sizes are "
        f"predicted better {better})"
    )


def _said(found: Any) -> str:
    """Return a quantity with its 95 % interval."""
    interval = found.interval()
    within = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    return f"{found.value:.3f}{within}"


def _draw_means(
    axes: Axes, means: Sequence[Mean], error: Callable[[float], float], where: tuple[Axis, int], canvas: Canvas
) -> None:
    """Draw an open point per run, and the mean of each size with its interval."""
    axis, place = where
    look = style.look(place)
    for each in means:
        at, middle = axis.at(each.parameters, place), error(each.value)
        low, high = sorted(map(error, each.interval)) if each.interval else (middle, middle)
        low = max(low, 1e-3 * middle)  # an axis of logarithms has no 0
        bar: dict[str, Any] = {"markersize": 7 * canvas.scale, "capsize": 4 * canvas.scale, "zorder": 3}
        reach = [[max(0.0, middle - low)], [max(0.0, high - middle)]]
        axes.errorbar(
            at, middle, yerr=reach, color=look["color"], marker=look["marker"], linestyle="none",
            elinewidth=1.6 * canvas.scale, **bar,
        )  # fmt: skip
        options: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "white", "markersize": 4 * canvas.scale}
        if len(each.results) > 1:
            values = [error(value) for value in each.results]
            axes.plot([at] * len(values), values, marker="o", color=look["color"], zorder=4, **options)


def _finish(axes: Axes, ends: tuple[float, float], found: Fits, means: BySize, canvas: Canvas) -> None:
    """Set the axes, with the accuracy on a second one, and draw the error of a uniform guess if it is in the frame."""
    error = _error_of(found)
    values = [error(value) for each in means.means for value in (*each.results, *(each.interval or ()))]
    values = [value for value in values if value > 0]
    low, high = min(values) / _ROOM, max(values) * _ROOM
    if found.chance is not None:
        high = min(high, 105.0)
    style.plain_log(axes, "x", ends[0] / _BEYOND, ends[1] * _BEYOND, most=5 if canvas.narrow else 9)
    _log_axis(axes, low, high, canvas)
    axes.set_xlabel("parameters (millions)")
    axes.set_ylabel("test error (%)" if found.chance is not None else "mean squared error")
    if found.chance is None:
        return
    if low < 100 * found.chance < high:
        label = f"uniform guess, {100 * found.chance:.3g} % error"
        axes.axhline(100 * found.chance, color=style.GREY, linestyle=":", linewidth=1.5 * canvas.scale, label=label)
    beside = axes.secondary_yaxis("right")
    beside.yaxis.set_major_locator(FixedLocator(list(axes.get_yticks())))
    beside.yaxis.set_minor_locator(NullLocator())
    beside.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 - value:.4g}"))
    beside.set_ylabel("accuracy (%)")


def _log_axis(axes: Axes, low: float, high: float, canvas: Canvas) -> None:
    """Make the vertical axis logarithmic, with three ticks at least."""
    style.plain_log(axes, "y", low, high, most=6 if canvas.narrow else 12)
    if len(axes.get_yticks()) < 3:
        step = 10.0 ** math.floor(math.log10((high - low) / 3))
        step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 6)
        ticks = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
        axes.yaxis.set_major_locator(FixedLocator(list(ticks)))


def _facts(series: Sequence[Series], found: Fits, means: BySize) -> list[str]:
    """Return the caption's sentences: n, seeds, the fit and its interval, the joint test, left-out sizes, limits."""
    runs = [run for each in series for run in each.runs]
    counts = sorted({run.record.test.n for run in runs})
    grouped = f" in {means.groups:,} groups" if means.groups else ""
    return [
        f"n = {' or '.join(f'{n:,}' for n in counts)} test {selection.examples(runs)}{grouped}, {len(runs)} runs,",
        f"{selection.seeds(runs)}, final weights. An open point is one run, a filled one the mean with its 95 %",
        "interval. Lines are least squares of log error on log parameters over all runs, error = a N^-b, dashed beyond",
        "the sizes, with",
        "95 % bands for new seeds and new test examples." if found.target == "examples"
        else f"95 % bands over runs on this test set only, because {found.because}.",
        "A line with dots has a floor, error = a N^-b + c." if any(each.floor for each in found.families) else "",
        *_comparison(found),
        f"Error of sizes that are left out: {_left_out(found)}.",
        *(f"{name} has no fit." for name in found.refused),
        *found.notes,
        selection.warning(runs),
    ]  # fmt: skip


def _comparison(found: Fits) -> list[str]:
    """Return the sentences on the joint test and on each difference of exponents."""
    if found.equal is None:
        return []
    first = found.families[0].architecture
    sentences = [f"F test of equal exponents b on this test set: p = {found.equal:.2g}."]
    for name, each in found.differences.items():
        crossing = f", lines cross at {each.crossing / 1e6:.3g}M" if each.crossing else ""
        sentences.append(f"The b of {name} minus that of {first} is {_said(each.examples or each.test_set)}{crossing}.")
    return sentences


def _left_out(found: Fits) -> str:
    """Return the root mean square error of left-out sizes of each fit, in percent of the error."""
    parts = []
    for each in found.families:
        kinds = {"line": each.left_out} | ({"floor": each.floor_left_out} if each.floor_left_out else {})
        said = [
            f"{name} {100 * math.sqrt(np.mean(np.square([*errors.values()]))):.2g} %" for name, errors in kinds.items()
        ]
        parts.append(f"{each.architecture} {' and '.join(said)}")
    return ", ".join(parts)
