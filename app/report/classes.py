"""Differences of accuracy per class between two architectures, sorted: exploratory, with Benjamini-Hochberg marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..artifacts.runs import Run
from ..config import checks
from ..results.per_class import ClassGap, class_gaps
from . import selection, style
from .canvas import CANVAS, Canvas
from .growth import arm_of
from .scaling import tested
from .series import Series, of_sizes, pair_title, pairs, series_of

_LETTERS, _LEGEND = 9, 12.5  # points, of a class name and of the legend
_ROW = 1.55  # height of a row relative to its letters
_COLUMN = 30  # rows up to which there is one column
_MOST, _MOST_NARROW = 120, 50  # rows; of more classes, those in the middle are omitted
_NAME = 18  # letters of a class name
_EDGE = 0.04  # of the values, left and right of them


def draw(runs: list[Run], folder: Path, *, say: selection.Say | None = None, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw a figure for each size at which an architecture can be compared with the first one.

    Returns the files, `classes_<architecture>_<first>_<size>_<dataset>`. Raises InputError without two architectures
    at one size, for a regression, and for runs whose test sets differ.
    """
    paths = []
    for first, other in pairs(series_of(tested(runs, say))):
        made = figure(other, first, class_gaps(arm_of(other), arm_of(first)), canvas)
        dataset = checks.file_part(first.runs[0].config.dataset)
        paths += style.save(
            made, folder / f"classes_{other.key}_{first.key}_{checks.file_part(other.size)}_{dataset}", canvas
        )
    return paths


def figure(a: Series, b: Series, gaps: Sequence[ClassGap], canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of the differences A - B of each class."""
    chosen = shown(gaps, canvas)
    columns = 1 if canvas.narrow or len(chosen) <= _COLUMN else 2
    rows = -(-len(chosen) // columns)
    about = pair_title((a, b))
    with style.house_style(canvas):
        made = style.blank(f"Accuracy per class on {about}: {a.architecture} minus {b.architecture}", canvas)
        entries = [_entry(a, "higher"), _entry(b, "higher"), _entry(None, "")]
        above, beside = style.legend_size(entries, canvas, _LEGEND)
        height = rows * _ROW * canvas.points(_LETTERS) / 72
        grid = made.add_gridspec(2, columns, height_ratios=(above, height))
        legend = made.add_subplot(grid[0, :])
        legend.axis("off")
        options: dict[str, Any] = {"loc": "upper left", "borderaxespad": 0, "fontsize": canvas.points(_LEGEND)}
        legend.legend(handles=entries, ncols=beside, **options)
        axes = [made.add_subplot(grid[1, column]) for column in range(columns)]
        for column, each in enumerate(axes):
            _draw(each, chosen[column * rows : (column + 1) * rows], rows, (a, b), canvas)
            each.set_xlim(*_limits(chosen))
            each.set_xlabel("difference (points)")
        style.caption(made, canvas, _facts(a, b, gaps, chosen))
        style.fit(made, [legend, axes[0]], above + height)
    return made


def shown(gaps: Sequence[ClassGap], canvas: Canvas) -> list[ClassGap]:
    """Return all classes, or as many of the highest as of the lowest differences if there are too many."""
    most = _MOST_NARROW if canvas.narrow else _MOST
    half = most // 2
    return [*gaps] if len(gaps) <= most else [*gaps[:half], *gaps[-half:]]


def _limits(gaps: Sequence[ClassGap]) -> tuple[float, float]:
    ends = [100 * end for gap in gaps for end in (*(gap.interval or ()), gap.difference, 0.0)]
    room = _EDGE * max(max(ends) - min(ends), 1.0)
    return min(ends) - room, max(ends) + room


def _entry(series: Series | None, what: str) -> Line2D:
    """Return the legend's entry of a marked class in which an architecture is better, or of an unmarked class."""
    if series is None:
        return Line2D([], [], label="not marked", color=style.GREY, marker="o", fillstyle="none")
    return Line2D([], [], label=f"{series.architecture} {what}", **{**series.look, "linestyle": "-"})


def _draw(axes: Axes, gaps: Sequence[ClassGap], rows: int, pair: tuple[Series, Series], canvas: Canvas) -> None:
    """Draw a row per class: its interval, and a filled marker of the better architecture if the class is marked."""
    for row, gap in enumerate(gaps):
        at = 100 * gap.difference
        look: dict[str, Any] = {"color": style.GREY, "marker": "o", "fillstyle": "none"}
        if gap.marked:
            look = {**pair[gap.difference < 0].look, "fillstyle": "full"}
        look |= {"linestyle": "none", "markersize": 5 * canvas.scale}
        if gap.interval:
            low, high = (100 * end for end in gap.interval)
            axes.plot([low, high], [row, row], color=look["color"], linewidth=1.5 * canvas.scale)
        axes.plot([at], [row], **look)
    axes.axvline(0, color=style.GREY, linewidth=1.0 * canvas.scale, linestyle=":")
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_yticks(range(len(gaps)), [_name(gap) for gap in gaps], fontsize=canvas.points(_LETTERS))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _name(gap: ClassGap) -> str:
    name = style.legible(gap.name)
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _facts(a: Series, b: Series, gaps: Sequence[ClassGap], shown: Sequence[ClassGap]) -> list[str]:
    """Return the caption's sentences: n, seeds, intervals, marks, and which classes are omitted."""
    runs, counts = [*a.runs, *b.runs], sorted({gap.examples for gap in gaps})
    each = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    known, marked = sum(gap.adjusted is not None for gap in gaps), sum(gap.marked for gap in gaps)
    return [
        f"Exploratory, n = {sum(gap.examples for gap in gaps):,} test {selection.examples(runs)}, {each} per class,",
        f"{len(a.runs)} and {len(b.runs)} runs, {selection.seeds(runs)}, final weights.",
        "A bar is the 95 % interval of one class for new seeds and new test examples (crossed analysis), not adjusted",
        f"for the number of classes. {marked} of {known:,} classes with a p value are marked (filled) at a false",
        "discovery rate of 5 % (Benjamini and Hochberg).",
        "Classes without a bar have none because no run differs on them, or because an architecture has one run."
        if known < len(gaps) else "",
        f"The {len(gaps) - len(shown):,} classes between the {len(shown) // 2} highest and the {len(shown) // 2} lowest"
        " are omitted." if len(shown) < len(gaps) else "",
        of_sizes((a, b)),
        selection.warning(runs),
    ]  # fmt: skip
