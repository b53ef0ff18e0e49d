"""The look of figures and how they are saved, in one palette (Okabe and Ito) that is legible in grey and half size.

It also works for readers with a colour vision deficiency.
"""

from __future__ import annotations

import logging
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from ..system.durable import replacing
from .canvas import CANVAS, Canvas

# Okabe and Ito (2008) without the yellow; each colour has its own marker and dashes, so that grey prints too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (6, 1.5)), (0, (3, 1, 1, 1)), (0, (1.5, 1)), (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)), "-")
GREY = "#595959"
SMALL = 10.5  # points of a caption
_TITLE, _LEGEND = 17, 13  # points
_MARGIN = 0.012  # of the width, left of the title and the caption
_EM, _BOLD_EM = 0.53, 0.62  # width of a letter, relative to its size
_HANDLE = 3  # width of a legend's line, relative to the size of its letters
_AXIS = 4  # width of an axis' label and numbers, relative to the size of their letters
_TALL = 3  # height of a figure relative to its width, before `fit`
_KEPT = re.compile(r" (?=[%=x] )|(?<= [=x]) | (?=%)")  # spaces at which no line ends
_METADATA: dict[str, dict[str, Any]] = {  # without metadata that would differ between equal figures
    "png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}  # fmt: skip
_PASSES, _CLOSE = 6, 1e-4  # of the layout, until its panels have their height; inches

_FONT = "DejaVu Sans"  # comes with matplotlib, so figures are equal on every machine
_FALLBACKS = (  # for letters that it lacks, if they are installed
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Source Han Sans", "IPAexGothic",
    "IPAGothic", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Hiragino Sans", "PingFang SC",
    "Yu Gothic", "Meiryo", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS", "Noto Sans", "Unifont",
)  # fmt: skip

_RC = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "figure.titleweight": "bold",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "svg.hashsalt": "isoscale",
    "font.sans-serif": [_FONT],  # behind it, an SVG names any sans-serif font of its reader
    "svg.fonttype": "none",  # text is text: it can be read aloud, searched and copied
    "pdf.fonttype": 42,  # fonts that journals accept
}
_POINTS = {"font.size": 14, "axes.titlesize": 15, "figure.titlesize": _TITLE, "legend.fontsize": _LEGEND}
_LINES = {"lines.linewidth": 2.4, "lines.markersize": 8}


@contextmanager
def house_style(canvas: Canvas = CANVAS) -> Iterator[None]:
    """Use our settings over matplotlib's defaults within the context, whatever the user's matplotlibrc contains."""
    sized = {name: canvas.points(size) for name, size in _POINTS.items()}
    sized |= {name: canvas.scale * size for name, size in _LINES.items()}
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)  # a fallback with only one weight needs no warning
    try:
        with matplotlib.style.context(["default", _RC, sized, {"font.family": [*_families(), "sans-serif"]}]):
            yield
    finally:
        log.setLevel(level)


def _families() -> list[str]:
    """Return our font and the installed fonts that can replace it for letters that it lacks."""
    installed = set(font_manager.get_font_names())
    return [_FONT, *(name for name in _FALLBACKS if name in installed)]


def legible(text: str) -> str:
    r"""Return the text with a `\u732b` for each letter that no font here can draw."""
    return "".join(
        letter if letter == "\n" or _drawable(letter) else letter.encode("unicode_escape").decode() for letter in text
    )


@cache
def _drawable(letter: str) -> bool:
    """Return whether the fonts contain the letter, plain and bold."""
    return all(
        any(font_manager.get_font(font).get_char_index(ord(letter)) for font in _font_files(weight))
        for weight in ("normal", "bold")
    )


@cache
def _font_files(weight: str) -> list[str]:
    properties = (font_manager.FontProperties(family=name, weight=weight) for name in _families())
    return [str(font_manager.findfont(each)) for each in properties]


def _wrapped(text: str, letters: int) -> str:
    """Return the text in lines of `letters` letters, where East Asian letters have twice the width."""
    text = legible(text)
    width = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    most = max(1, letters * len(text) // max(1, width))
    filled = textwrap.fill(_KEPT.sub("\N{NO-BREAK SPACE}", text), most, break_on_hyphens=False)
    return filled.replace("\N{NO-BREAK SPACE}", " ")


def look(place: int) -> dict[str, Any]:
    """Return colour, marker and dashes of the curve or point at a place in the order, as arguments of `axes.plot`."""
    place %= len(COLOURS)
    return {"color": COLOURS[place], "marker": MARKERS[place], "linestyle": DASHES[place]}


def blank(title: str, canvas: Canvas = CANVAS) -> Figure:
    """Return an empty figure with its title. Call it inside `house_style`."""
    figure = Figure(figsize=(canvas.inches, _TALL * canvas.inches), dpi=canvas.dpi)
    letters = _letters(canvas.inches, canvas.points(_TITLE), _BOLD_EM)
    figure.suptitle(_wrapped(title, letters), x=_MARGIN, ha="left")
    return figure


def _letters(inches: float, points: float, em: float = _EM) -> int:
    """Return how many letters of a size fit in a line of text."""
    return int(72 * inches / (points * em))


def legend_above(axes: Axes, canvas: Canvas) -> None:
    """Draw the legend between the title and the axes, where it covers no curve.

    In a narrow figure it begins at the left edge.
    """
    handles, labels = axes.get_legend_handles_labels()
    points, left = canvas.points(_LEGEND), _AXIS * canvas.points(_POINTS["font.size"]) / 72
    shift = left if canvas.narrow else 0.0
    room = canvas.inches + shift - left - (_HANDLE + 2) * points / 72
    labels = [_wrapped(label, _letters(room, points)) for label in labels]
    figure = axes.get_figure(root=True)
    assert figure is not None
    axes.legend(
        handles, labels, loc="lower left", handlelength=_HANDLE, bbox_to_anchor=(0, 1.0),
        bbox_transform=axes.transAxes + ScaledTranslation(-shift, 0, figure.dpi_scale_trans),
    )  # fmt: skip


def legend_size(entries: Sequence[Line2D], canvas: Canvas, usual: float) -> tuple[float, int]:
    """Return the height in inches of a legend as wide as the axes, and its columns: two if the entries fit.

    In one column, the labels of the entries are wrapped.
    """
    points, handle = canvas.points(usual), (_HANDLE + 2) * canvas.points(usual) / 72
    longest = max(len(str(entry.get_label())) for entry in entries)
    if longest <= _letters(canvas.inches / 2 - handle, points):
        return 1.6 * points * -(-len(entries) // 2) / 72, 2
    room = _letters(canvas.inches - _AXIS * canvas.points(_POINTS["font.size"]) / 72 - handle, points)
    for entry in entries:
        entry.set_label(_wrapped(str(entry.get_label()), room))
    lines = sum(1 + str(entry.get_label()).count("\n") for entry in entries)
    return (0.4 * len(entries) + 1.2 * lines) * points / 72, 1


def caption(figure: Figure, canvas: Canvas, sentences: Sequence[str]) -> None:
    """Print the non-empty sentences below the figure, or else remove its title and report both as one line."""
    text = " ".join(sentence for sentence in sentences if sentence)
    if canvas.caption:
        wrapped = _wrapped(text, _letters(canvas.inches, canvas.points(SMALL)))
        figure.supxlabel(wrapped, x=_MARGIN, ha="left", fontsize=canvas.points(SMALL), color=GREY)
    else:
        canvas.say(f"caption: {' '.join(figure.get_suptitle().split())}. {text}")
        figure.suptitle("")  # a paper has both in its text


def fit(figure: Figure, panels: Sequence[Axes], inches: float, *, shape: float = float("inf")) -> float:
    """Set the figure's height so that its panels, one below the other, have `inches` in sum.

    Figures with captions, legends and titles of different lengths then have equal panels. The height relative to the
    width of the panels is at most `shape`. Returns the height of the first panel.
    """
    _narrow_texts(figure)
    engine = figure.get_layout_engine()
    assert engine is not None
    for _ in range(_PASSES):
        engine.execute(figure)
        width, height = figure.get_size_inches()
        places = [axes.get_position(original=True) for axes in panels]
        wanted = min(inches, sum(place.width * width * shape for place in places))
        lacking = wanted - sum(place.height * height for place in places)
        if abs(lacking) < _CLOSE:
            break
        figure.set_figheight(height + lacking)
    return float(wanted / (places[0].width * width))


def _narrow_texts(figure: Figure) -> None:
    """Wrap the title and the caption again if their lines are wider than the figure."""
    for text in figure.texts:
        lines = text.get_text().splitlines()
        for letters in range(max(map(len, lines), default=0), 1, -2):
            if text.get_window_extent().x1 <= (1 - _MARGIN) * figure.bbox.width:
                break
            text.set_text(_wrapped(" ".join(lines), letters))


def plain_log(axes: Axes, which: str, low: float, high: float, *, most: int = 99) -> None:
    """Make the `x` or `y` axis logarithmic from low to high, with plain numbers at `most` ticks at most."""
    for digits in ((1, 2, 5) if high / low > 40 else (1, 2, 3, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in range(-9, 10) for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= most:
            break
    getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(low, high)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def save(figure: Figure, stem_path: Path, canvas: Canvas = CANVAS) -> list[Path]:
    """Write `<stem_path>.png` and `.svg`, or the canvas's formats, each complete or not at all.

    Equal figures give equal bytes.
    """
    paths = []
    with house_style(canvas):
        _make_legible(figure)
    for kind in canvas.formats:
        path = stem_path.with_name(f"{stem_path.name}.{kind}")  # not with_suffix: a size may be 7.5M
        with house_style(canvas), replacing(path) as aside:
            figure.savefig(aside, format=kind, dpi=canvas.dpi, metadata=_METADATA[kind])
        paths.append(path)
    return paths


def _make_legible(figure: Figure) -> None:
    """Replace letters that no font here can draw, in texts and at ticks, since they would print warnings and boxes."""
    for text in figure.findobj(Text):
        text.set_text(legible(text.get_text()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        names = [label.get_text() for label in axis.get_ticklabels()]
        if names != [legible(name) for name in names]:
            axis.set_ticks(axis.get_ticklocs(), [legible(name) for name in names])
