"""Rows of differences with intervals, one per class or corruption, filled where a row is among the discoveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..results.gap import Gap
from . import style
from .canvas import Canvas
from .series import Series

LETTERS, LEGEND = 9, 12.5  # points, of a row's name and of the legend
ROW = 1.55  # height of a row relative to its letters
_NAME = 18  # letters of a name
_EDGE = 0.04  # of the values, left and right of them


def limits(gaps: Sequence[Gap]) -> tuple[float, float]:
    """Return the limits of the axis in points, with 0 inside."""
    ends = [100 * end for gap in gaps for end in (*(gap.interval or ()), gap.difference, 0.0)]
    room = _EDGE * max(max(ends) - min(ends), 1.0)
    return min(ends) - room, max(ends) + room


def entry(series: Series | None, what: str) -> Line2D:
    """Return the legend's entry of a marked row in which an architecture is better, or of an unmarked row."""
    if series is None:
        return Line2D([], [], label="not marked", color=style.GREY, marker="o", fillstyle="none")
    return Line2D([], [], label=f"{series.architecture} {what}", **{**series.look, "linestyle": "-"})


def draw(
    axes: Axes, gaps: Sequence[Gap], rows: int, pair: tuple[Series, Series], canvas: Canvas, *, letters: int = _NAME
) -> None:  # fmt: skip
    """Draw a row for each difference: its interval, and a filled marker of the better architecture if it is marked."""
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
    axes.set_yticks(range(len(gaps)), [_name(gap.name, letters) for gap in gaps], fontsize=canvas.points(LETTERS))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _name(text: str, letters: int) -> str:
    name = style.legible(text)
    return name if len(name) <= letters else f"{name[: letters - 1]}…"
