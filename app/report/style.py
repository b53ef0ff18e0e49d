"""How figures look and are saved: one palette (Okabe and Ito) that survives colour blindness, grey and half size."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from app.durable import replacing

# Okabe and Ito (2008) without the yellow; each colour has its own marker and dashes, so that grey prints too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (6, 1.5)), (0, (3, 1, 1, 1)), (0, (1.5, 1)), (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)), "-")
GREY = "#595959"
DPI = 200  # half of it still holds every letter
SMALL = 10.5  # points; the facts below a figure
_LETTERS = 13  # of the small print, per inch
_ENTRY = 0.27  # inches of a legend's line

_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so figures are equal on every machine
    "font.size": 14,
    "axes.titlesize": 15,
    "figure.titlesize": 17,
    "figure.titleweight": "bold",
    "legend.fontsize": 13,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
    "lines.linewidth": 2.4,
    "lines.markersize": 8,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "svg.hashsalt": "isoscale",
    "svg.fonttype": "path",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Our settings over matplotlib's own defaults, whatever the user's matplotlibrc says; undone at the end."""
    with matplotlib.style.context(["default", _RC]):
        yield


def look(place: int) -> dict[str, Any]:
    """Colour, marker and dashes of the curve or point at a place in the order; pass it to `axes.plot`."""
    place %= len(COLOURS)
    return {"color": COLOURS[place], "marker": MARKERS[place], "linestyle": DASHES[place]}


def blank(title: str, *, width: float = 8.5, height: float = 7.0) -> Figure:
    """An empty figure with its title, sides in inches; call it inside `house_style`."""
    figure = Figure(figsize=(width, height))
    figure.suptitle(textwrap.fill(title, int(width * 6.2)), x=0.012, ha="left")
    return figure


def legend_above(figure: Figure, axes: Axes) -> None:
    """The legend between the title and the axes, where it covers no curve; the figure grows with a long one."""
    entries = len(axes.get_legend_handles_labels()[1])
    figure.set_figheight(figure.get_figheight() + _ENTRY * max(0, entries - 4))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), handlelength=3)


def facts_below(figure: Figure, sentences: list[str]) -> None:
    """Small print under the figure, wrapped to its width; empty sentences are left out."""
    text = " ".join(sentence for sentence in sentences if sentence)
    wrapped = textwrap.fill(text, int(figure.get_figwidth() * _LETTERS))
    figure.supxlabel(wrapped, x=0.012, ha="left", fontsize=SMALL, color=GREY)


def plain_log(axes: Axes, which: str, low: float, high: float) -> None:
    """Makes the `x` or `y` axis logarithmic from low to high, with plain numbers at the ticks."""
    digits = (1, 2, 5) if high / low > 40 else (1, 2, 3, 5)
    ticks = [digit * 10.0**power for power in range(-9, 10) for digit in digits]
    getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(low, high)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def save(figure: Figure, stem_path: Path) -> list[Path]:
    """Writes `<stem_path>.png` and `.svg`, each whole or not at all; equal figures give equal bytes."""
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        path = stem_path.with_name(f"{stem_path.name}.{kind}")  # not with_suffix: a size may be 7.5M
        with house_style(), replacing(path) as aside:
            figure.savefig(aside, format=kind, dpi=DPI, metadata=metadata)
        paths.append(path)
    return paths
