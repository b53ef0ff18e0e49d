"""The confusion matrix of a run's test predictions: one row per true class, as shares of that class's images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from ..artifacts.parts import Rates
from ..artifacts.runs import Run
from ..errors import InputError
from . import selection, style
from .canvas import Canvas

_NAMED = 12  # classes up to which cells contain numbers and ticks names
_PAIRS = 16  # most confused pairs that are listed
_PANEL, _BAR = 6.5, 30  # inches of height; height of the colour bar relative to its width
_LETTERS = 16  # letters of a class name: the last ones of "orthorhombic (C)" are needed

Floats = npt.NDArray[np.float64]


def draw_run(run: Run) -> list[Path]:
    """Draw the confusion matrix next to the run's other files. Raises InputError if the run is not evaluated."""
    test = run.record.test if run.record.tested else None
    if not isinstance(test, Rates):
        raise InputError(f"{selection.label(run)} has no test results. Run `run.py evaluate --run {run.record.run_id}`")
    counts = np.array(test.confusion)  # (classes, classes), truth by row
    names = [_short(style.legible(str(name))) for name in run.record.data.class_names]
    title = f"{selection.run_title(run.config)}: confusion matrix"
    canvas = Canvas(usual=9 if len(counts) <= _NAMED else 13)
    with style.house_style(canvas):
        figure = style.blank(title, canvas)
        axes = (_few if len(counts) <= _NAMED else _many)(figure, counts, names)
        style.caption(figure, canvas, _facts(run, counts))
        style.fit(figure, [axes], _PANEL)
    return style.save(figure, run.files.confusion_png.with_suffix(""), canvas)


def shares(counts: npt.NDArray[np.int_]) -> Floats:
    """Return each row divided by its sum. A class without test images has no shares (nan)."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def most_confused(counts: npt.NDArray[np.int_], pairs: int) -> list[tuple[int, int]]:
    """Return (truth, prediction) of the largest shares off the diagonal, largest first."""
    off = np.nan_to_num(shares(counts))
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:pairs]
    found = [divmod(int(place), len(off)) for place in order]
    return [(truth, prediction) for truth, prediction in found if off[truth, prediction] > 0]


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1f} %"


def _few(figure: Figure, counts: npt.NDArray[np.int_], names: list[str]) -> Axes:
    """Draw class names at the ticks and a percentage in each cell. Return the axes of the matrix."""
    axes = figure.subplots()
    share = _draw_matrix(figure, axes, counts, gamma=1)
    n = len(names)
    slanted = sum(map(len, names)) > 40
    axes.set_xticks(range(n), names, rotation=40 if slanted else 0, ha="right" if slanted else "center")
    if slanted:
        for text in axes.get_xticklabels():
            text.set_rotation_mode("anchor")
    totals = counts.sum(axis=1)
    axes.set_yticks(range(n), [f"{name}\nn = {total:,}" for name, total in zip(names, totals, strict=True)])
    for row, column in np.ndindex(n, n):
        if not np.isnan(value := share[row, column]):
            ink = "white" if value > 0.55 else "black"
            size = 18 if n <= 5 else 12.5
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=ink, fontsize=size)
    return axes


def _many(figure: Figure, counts: npt.NDArray[np.int_], names: list[str]) -> Axes:
    """Draw class numbers at the ticks and list the most confused pairs to the right. Return the axes of the matrix."""
    axes, beside = figure.subplots(1, 2, width_ratios=(1.75, 1))
    share = _draw_matrix(figure, axes, counts, gamma=0.5)
    apart = next(step for step in (5, 10, 50, 100, 500, 1000, 10_000) if len(names) / step <= 12)
    axes.set_xticks(range(0, len(names), apart))
    axes.set_yticks(range(0, len(names), apart))
    beside.axis("off")
    beside.set_title("Most confused classes", loc="left")
    lines = [("share", "true class", "predicted class")]
    lines += [(_percent(share[t, p]), f"{t} {names[t]}", f"{p} {names[p]}") for t, p in most_confused(counts, _PAIRS)]
    for place, cells in enumerate(lines):
        for x, text in zip((0.0, 0.15, 0.57), cells, strict=True):
            beside.text(x, 0.96 - place / (_PAIRS + 2), text, va="baseline", fontsize=11)
    return axes


def _draw_matrix(figure: Figure, axes: Axes, counts: npt.NDArray[np.int_], *, gamma: float) -> Floats:
    """Draw and return the shares. A `gamma` below 1 makes small ones more visible."""
    share = shares(counts)
    image = axes.imshow(
        100 * share, cmap="Blues", norm=PowerNorm(gamma, 0, 100), interpolation="nearest", aspect="auto"
    )
    axes.set_facecolor("#BBBBBB")  # a class without test images
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    scale = "" if gamma == 1 else ", square-root scale"
    bar = figure.colorbar(image, ax=axes, aspect=_BAR, pad=0.02, label=f"share of the true class (%{scale})")
    bar.set_ticks([0, 25, 50, 75, 100] if gamma == 1 else [0, 1, 5, 10, 25, 50, 100])
    return share


def _facts(run: Run, counts: npt.NDArray[np.int_]) -> list[str]:
    test = run.record.test
    low, high = test.top1_interval
    empty = int((counts.sum(axis=1) == 0).sum())
    return [
        f"n = {test.n:,} test {selection.examples([run])},",
        f"accuracy {100 * test.top1:.1f} % (95 % Wilson interval {100 * low:.1f} % to {100 * high:.1f} %),",
        f"{run.record.parameters.total:,} parameters, {selection.seeds([run])},",
        f"run {run.record.run_id}, final weights (epoch {run.config.epochs}).",
        f"{empty} class{'es have' if empty > 1 else ' has'} no test {selection.examples([run])} (grey)."
        if empty
        else "",
        selection.warning([run]),
    ]
