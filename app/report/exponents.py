"""Scaling fits: error against parameters, FLOPs or dollars on logarithmic axes, with exponents of all architectures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..artifacts.runs import Run
from ..config import checks
from ..results.abscissa import PARAMETERS, Abscissa
from ..results.by_size import BySize, Mean, by_size
from ..results.fits import BEYOND, Fits, fits
from ..results.metrics import METRICS
from ..system.durable import write_text
from . import fitlines, selection, style
from .canvas import CANVAS, Canvas
from .growth import Axis, arm_of
from .rules import Rules
from .scaling import tested
from .series import Series, series_of

_PANEL, _LEAST = 5.2, 3.0  # inches of height, at the usual width and in a narrow figure
_ROOM = 1.12  # of the errors, below and above them


def fitted(
    runs: list[Run], say: selection.Say | None = None, along: Abscissa = PARAMETERS
) -> tuple[list[Series], Fits, BySize]:
    """Return the series of the tested runs of one dataset, their fits, and their means by size.

    Raises InputError if no run is tested, for folds, for runs without the quantity of the axis, and if no architecture
    has sizes enough for a fit.
    """
    series = series_of(tested(runs, say))
    arms = [arm_of(each) for each in series]
    found = fits(arms, along)
    return series, found, by_size(arms, METRICS["top1" if found.rate else "rmse"], along)


def draw(
    runs: list[Run], folder: Path, *, along: Abscissa = PARAMETERS, say: selection.Say | None = None,
    canvas: Canvas = CANVAS,
) -> list[Path]:  # fmt: skip
    """Draw the figure of the runs of one dataset. Return the files, `scaling_fit_<dataset>` and its numbers as JSON.

    Raises InputError as `fitted`.
    """
    series, found, means = fitted(runs, say, along)
    axis = "" if along.name == PARAMETERS.name else f"{along.name}_"
    stem = folder / f"scaling_fit_{axis}{checks.file_part(found.dataset)}"
    paths = style.save(figure(series, found, means, canvas), stem, canvas)
    numbers = stem.with_name(f"{stem.name}.json")
    write_text(numbers, json.dumps(to_json(found, means), indent=2) + "\n")
    return [*paths, numbers]


def to_json(found: Fits, means: BySize) -> dict[str, Any]:
    """Return the numbers of the figure for a machine: those of the fits, and the means by size."""
    return found.to_json() | {"means": means.to_json()["means"]}


def figure(series: Sequence[Series], found: Fits, means: BySize, canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of fits whose architectures are those of the series."""
    places = {each.architecture: each.place for each in series}
    axis = Axis.of(means, len(places))
    with style.house_style(canvas):
        dataset = selection.dataset_title(found.dataset)
        made = style.blank(f"Scaling of the test error on {dataset}", canvas)
        axes = made.subplots()
        for family in found.families:
            scale = 100.0 if found.rate else 1.0
            fitlines.draw(axes, family, places[family.architecture], (axis.factor, scale), canvas)
        for name, place in places.items():
            own = [each for each in means.means if each.architecture == name]
            _draw_means(axes, own, _error_of(found), (axis, place), canvas)
        rules = _finish(axes, axis, found, means, canvas)
        style.legend_above(axes, canvas)
        style.caption(made, canvas, [*_facts(series, found, means), *rules])
        style.fit(made, [axes], max(_PANEL * canvas.shrunk, _LEAST))
    return made


def _error_of(found: Fits) -> Callable[[float], float]:
    """Return the function from a result, accuracy or RMSE, to the error that is drawn."""
    return (lambda value: 100 * (1 - value)) if found.rate else (lambda value: value**2)


def _draw_means(
    axes: Axes, means: Sequence[Mean], error: Callable[[float], float], where: tuple[Axis, int], canvas: Canvas
) -> None:
    """Draw an open point per run, and the mean of each size with its interval."""
    axis, place = where
    look = style.look(place)
    for each in means:
        at, middle = axis.at(each.x, place), error(each.value)
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


def _finish(axes: Axes, axis: Axis, found: Fits, means: BySize, canvas: Canvas) -> list[str]:
    """Set the axes, with the accuracy on a second one, and draw the rules. Return the caption's sentences on them."""
    error = _error_of(found)
    values = [error(value) for each in means.means for value in (*each.results, *(each.interval or ()))]
    values = [value for value in values if value > 0]
    low, high = min(values) / _ROOM, max(values) * _ROOM
    rules = Rules(found.landmarks, error, logarithmic=True)
    low, high = rules.frame(low, min(high, 100.0) if found.rate else high)
    style.plain_log(axes, "x", axis.smallest / BEYOND, axis.largest * BEYOND, most=5 if canvas.narrow else 9)
    _log_axis(axes, low, high, canvas)
    axes.set_xlabel(axis.label)
    axes.set_ylabel("test error (%)" if found.rate else "mean squared error")
    if found.rate:
        beside = axes.secondary_yaxis("right")
        beside.yaxis.set_major_locator(FixedLocator(list(axes.get_yticks())))
        beside.yaxis.set_minor_locator(NullLocator())
        beside.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 - value:.4g}"))
        beside.set_ylabel("accuracy (%)")
    rules.draw(axes, canvas, " % error")
    return rules.sentences(axes, " %", "error")


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
        f"interval. Lines are least squares of log error on log N over all runs, error = a N^-b, where N is "
        f"{found.along.title}. Lines are pale beyond the sizes, with",
        "95 % bands for new seeds and new test examples." if found.target == "examples"
        else f"95 % bands over runs on this test set only, because {found.because}.",
        "A curve with a hatched band has a floor, error = a N^-b + c. The thicker of line and curve predicts left-out "
        "sizes better." if any(each.floor for each in found.families) else "",
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
        crossing = f", lines cross at {found.along.shown(each.crossing)}" if each.crossing else ""
        difference = fitlines.shown(each.examples or each.test_set)
        sentences.append(f"The b of {name} minus that of {first} is {difference}{crossing}.")
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
