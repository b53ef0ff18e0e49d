"""Curves of all architectures and seeds in one figure: a thin line per seed, the mean, and a band over the seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from . import style
from .canvas import Canvas
from .series import Series, panels_of

Floats = npt.NDArray[np.float64]
_POINTS = 600  # of a drawn line, which are more than its pixels
_PANEL, _LEAST = 4.3, 1.9  # inches: height of all rows of panels at the usual width, and of a row in a column
_LETTERS = 12.5  # points, of a legend
_MOST_COLUMNS = 3
_EACH_MARKED = 12  # points up to which each one has a marker


@dataclass(frozen=True)
class Strand:
    """A series with the curve of each seed, x and y (points,)."""

    series: Series
    curves: tuple[tuple[Floats, Floats], ...]

    @property
    def seeds(self) -> tuple[Floats, Floats]:
        """The x that all curves have (points,), and their y there (seeds, points)."""
        common: Floats = reduce(np.intersect1d, [x for x, _ in self.curves])
        return common, np.stack([y[np.searchsorted(x, common)] for x, y in self.curves])

    def entry(self, ends: Callable[[float], str] | None, canvas: Canvas) -> Line2D:
        """Return the legend's entry. With `ends`, it has the facts of the series and where its curves end."""
        label = self.series.architecture
        if ends:
            last = sorted(float(y[-1]) for _, y in self.curves)
            reach = ends(last[0]) if len(last) == 1 else f"{ends(last[0])} to {ends(last[-1])}"
            label = f"{label} {self.series.size}: {self.series.facts}, ends at {reach}"
        return Line2D([], [], label=label, linewidth=2.4 * canvas.scale, **self.series.look)


def figure(
    title: str, strands: Sequence[Strand], canvas: Canvas, *, ends: Callable[[float], str], labels: tuple[str, str],
    finish: Callable[[Axes], list[Line2D]], facts: Sequence[str],
) -> Figure:  # fmt: skip
    """Return the figure of strands, with a panel per size if the architectures share their sizes.

    `labels` are those of the axes. `finish` sets the limits of an axes and returns more entries for the legend.
    """
    panels = panels_of([strand.series for strand in strands])
    if len(panels) == 1:  # a size has a look, too
        strands = [replace(each, series=replace(each.series, place=at)) for at, each in enumerate(strands)]
    made = style.blank(title, canvas)
    shown = {each.series.place: each.entry(ends if len(panels) == 1 else None, canvas) for each in strands}
    entries = [*shown.values(), *finish(Figure().subplots())]
    axes, column, height = _panels(made, list(panels), entries, canvas)
    for name, each in zip(panels, axes, strict=True):
        for strand in strands:
            if name in ("", strand.series.size):
                _draw(each, strand, canvas)
        each.set_title(name, loc="left")
        finish(each)
    _label(axes, labels, canvas)
    style.caption(made, canvas, [*facts, _explained(strands)])
    style.fit(made, column, height)
    return made


def _panels(
    figure: Figure, titles: list[str], entries: list[Line2D], canvas: Canvas
) -> tuple[list[Axes], list[Axes], float]:
    """Make the axes below a row for the legend. Return them, the axes of the first column, and its height in inches."""
    columns = 1 if canvas.narrow else 2 if len(titles) == 4 else min(len(titles), _MOST_COLUMNS)
    rows = -(-len(titles) // columns)
    above, beside = style.legend_size(entries, canvas, _LETTERS)
    panel = max(_PANEL * canvas.shrunk * (1 if rows == 1 else 0.7), _LEAST)
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=(above, *[panel] * rows))
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    legend.legend(handles=entries, loc="upper left", borderaxespad=0, fontsize=canvas.points(_LETTERS), ncols=beside)
    axes: list[Axes] = []
    for place in range(len(titles)):
        first = {"sharex": axes[0], "sharey": axes[0]} if axes else {}
        axes.append(figure.add_subplot(grid[1 + place // columns, place % columns], **first))
        axes[-1].tick_params(labelbottom=place + columns >= len(titles), labelleft=place % columns == 0)
    return axes, [legend, *axes[::columns]], above + rows * panel


def _label(axes: list[Axes], labels: tuple[str, str], canvas: Canvas) -> None:
    """Label the outer axes."""
    for each in axes:
        ticks = each.xaxis.get_tick_params()
        each.xaxis.set_major_locator(MaxNLocator(4 if canvas.narrow or len(axes) > 1 else 6, integer=True))
        each.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        middle = len(axes) < _MOST_COLUMNS or canvas.narrow or axes.index(each) % _MOST_COLUMNS == 1
        each.set_xlabel(labels[0] if ticks["labelbottom"] and (middle or len(axes) == 4) else "")
        each.set_ylabel(labels[1] if each.yaxis.get_tick_params()["labelleft"] else "")


def _draw(axes: Axes, strand: Strand, canvas: Canvas) -> None:
    """Draw a strand: the only curve, or a thin line per seed, the band and the mean."""
    look, wide = strand.series.look, 2.4 * canvas.scale
    few = len(strand.curves[0][0]) <= _EACH_MARKED
    marks = None if few else (0.05 + 0.04 * strand.series.place, 0.15)
    options: dict[str, Any] = {"linewidth": wide, "markersize": 7 * canvas.scale, "markevery": marks}
    if len(strand.curves) == 1:
        axes.plot(*_thinned(*strand.curves[0]), **look, **options)
        return
    for x, y in strand.curves:
        axes.plot(*_thinned(x, y), color=look["color"], linewidth=0.3 * wide, alpha=0.7)
    x, values = strand.seeds
    if len(x):
        x, *found = _thinned(x, values.min(0), values.max(0), values.mean(0))
        axes.fill_between(x, found[0], found[1], color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(x, found[2], **look, **options)


def _thinned(*arrays: Floats) -> list[Floats]:
    """Return every n-th value of arrays (points,), with the last one, so that an SVG stays small."""
    count = len(arrays[0])
    kept = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
    return [array[kept] for array in arrays]


def _explained(strands: Sequence[Strand]) -> str:
    """Return the caption's sentence on lines and bands, or an empty text without several seeds."""
    if all(len(strand.curves) == 1 for strand in strands):
        return ""
    shorter = any(len({len(x) for x, _ in strand.curves}) > 1 for strand in strands)
    return (
        "A thin line is one seed. The thick line is the mean over seeds, and the band is from the lowest to the highest"
        f"{', as far as all seeds have values' if shorter else ''}."
    )
