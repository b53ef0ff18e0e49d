"""Differences of accuracy per class between two architectures, sorted: exploratory, with Benjamini-Hochberg marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..artifacts.runs import Run
from ..config import checks
from ..results.per_class import ClassGap, class_gaps
from . import gaps as rows_of
from . import selection, style
from .canvas import CANVAS, Canvas
from .growth import arm_of
from .scaling import tested
from .series import Series, of_sizes, pair_title, pairs, series_of

_COLUMN = 30  # rows up to which there is one column
_MOST, _MOST_NARROW = 120, 50  # rows; of more classes, those in the middle are omitted


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
        entries = [rows_of.entry(a, "higher"), rows_of.entry(b, "higher"), rows_of.entry(None, "")]
        above, beside = style.legend_size(entries, canvas, rows_of.LEGEND)
        height = rows * rows_of.ROW * canvas.points(rows_of.LETTERS) / 72
        grid = made.add_gridspec(2, columns, height_ratios=(above, height))
        legend = made.add_subplot(grid[0, :])
        legend.axis("off")
        options: dict[str, Any] = {"loc": "upper left", "borderaxespad": 0, "fontsize": canvas.points(rows_of.LEGEND)}
        legend.legend(handles=entries, ncols=beside, **options)
        axes = [made.add_subplot(grid[1, column]) for column in range(columns)]
        for column, each in enumerate(axes):
            rows_of.draw(each, chosen[column * rows : (column + 1) * rows], rows, (a, b), canvas)
            each.set_xlim(*rows_of.limits(chosen))
            each.set_xlabel("difference (points)")
        style.caption(made, canvas, _facts(a, b, gaps, chosen))
        style.fit(made, [legend, axes[0]], above + height)
    return made


def shown(gaps: Sequence[ClassGap], canvas: Canvas) -> list[ClassGap]:
    """Return all classes, or as many of the highest as of the lowest differences if there are too many."""
    most = _MOST_NARROW if canvas.narrow else _MOST
    half = most // 2
    return [*gaps] if len(gaps) <= most else [*gaps[:half], *gaps[-half:]]


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
