"""How figures look and are saved: one palette (Okabe and Ito) that survives colour blindness, grey and half size."""

from __future__ import annotations

import logging
import textwrap
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..system.durable import replacing

# Okabe and Ito (2008) without the yellow; each colour has its own marker and dashes, so that grey prints too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (6, 1.5)), (0, (3, 1, 1, 1)), (0, (1.5, 1)), (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)), "-")
GREY = "#595959"
WIDTH = 8.5  # inches of a figure
DPI = 200  # half of it still holds every letter
SMALL = 10.5  # points; the facts below a figure
_LETTERS = 13  # of the small print, per inch
_ENTRY = 0.27  # inches of a legend's line

_FONT = "DejaVu Sans"  # comes with matplotlib, so figures are equal on every machine
_FALLBACKS = (  # for letters that it lacks, where they are installed
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Source Han Sans", "IPAexGothic",
    "IPAGothic", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Hiragino Sans", "PingFang SC",
    "Yu Gothic", "Meiryo", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS", "Noto Sans", "Unifont",
)  # fmt: skip

_RC = {
    "text.parse_math": False,  # a dollar in a name is a dollar
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
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)  # that a fallback comes in one weight is nothing to tell
    try:
        with matplotlib.style.context(["default", _RC, {"font.family": _families()}]):
            yield
    finally:
        log.setLevel(level)


def _families() -> list[str]:
    """Our font and those installed that may stand in for letters that it lacks."""
    installed = set(font_manager.get_font_names())
    return [_FONT, *(name for name in _FALLBACKS if name in installed)]


def legible(text: str) -> str:
    """The text with a `\\u732b` for each letter that no font here can draw."""
    return "".join(
        letter if letter == "\n" or _drawable(letter) else letter.encode("unicode_escape").decode() for letter in text
    )


@cache
def _drawable(letter: str) -> bool:
    """Whether the fonts hold the letter, plain and bold."""
    return all(
        any(font_manager.get_font(font).get_char_index(ord(letter)) for font in _font_files(weight))
        for weight in ("normal", "bold")
    )


@cache
def _font_files(weight: str) -> list[str]:
    properties = (font_manager.FontProperties(family=name, weight=weight) for name in _families())
    return [str(font_manager.findfont(each)) for each in properties]


def _wrapped(text: str, letters: int) -> str:
    """The text in lines of so many letters, of which those of East Asia take twice the width."""
    text = legible(text)
    width = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return textwrap.fill(text, max(1, letters * len(text) // max(1, width)))


def look(place: int) -> dict[str, Any]:
    """Colour, marker and dashes of the curve or point at a place in the order; pass it to `axes.plot`."""
    place %= len(COLOURS)
    return {"color": COLOURS[place], "marker": MARKERS[place], "linestyle": DASHES[place]}


def blank(title: str, *, width: float = WIDTH, height: float = 7.0) -> Figure:
    """An empty figure with its title, sides in inches; call it inside `house_style`."""
    figure = Figure(figsize=(width, height))
    figure.suptitle(_wrapped(title, int(width * 6.2)), x=0.012, ha="left")
    return figure


def legend_above(figure: Figure, axes: Axes) -> None:
    """The legend between the title and the axes, where it covers no curve; the figure grows with a long one."""
    entries = len(axes.get_legend_handles_labels()[1])
    figure.set_figheight(figure.get_figheight() + _ENTRY * max(0, entries - 4))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), handlelength=3)


def facts_below(figure: Figure, sentences: list[str]) -> None:
    """Small print under the figure, wrapped to its width; empty sentences are left out."""
    text = " ".join(sentence for sentence in sentences if sentence)
    wrapped = _wrapped(text, int(figure.get_figwidth() * _LETTERS))
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
    with house_style():
        _make_legible(figure)
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        path = stem_path.with_name(f"{stem_path.name}.{kind}")  # not with_suffix: a size may be 7.5M
        with house_style(), replacing(path) as aside:
            figure.savefig(aside, format=kind, dpi=DPI, metadata=metadata)
        paths.append(path)
    return paths


def _make_legible(figure: Figure) -> None:
    """Replaces what no font here can draw, in texts and at ticks, which would print warnings and boxes."""
    for text in figure.findobj(Text):
        text.set_text(legible(text.get_text()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        names = [label.get_text() for label in axis.get_ticklabels()]
        if names != [legible(name) for name in names]:
            axis.set_ticks(axis.get_ticklocs(), [legible(name) for name in names])
