"""The figure of the signal share: attention on the target's cell against distractors, and the accuracy next to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..artifacts import attention_rows
from ..artifacts.attention_rows import TEST
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from ..results import attended
from ..results.attended import Parts
from ..tables.attention_numbers import MOST_DISTRACTORS
from . import selection, style
from .canvas import CANVAS, Canvas
from .series import Series, series_of

_HEIGHT = 4.3  # inches
_COUNTS = np.arange(MOST_DISTRACTORS + 1)
_INPUTS = [f"canvas{count}" for count in _COUNTS]


@dataclass(frozen=True)
class Line:
    """A number against distractors: means and 95 % intervals, (9,) each. NaN: there is no interval."""

    label: str
    means: np.ndarray
    low: np.ndarray
    high: np.ndarray


def draw(runs: list[Run], folder: Path, *, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw `attention_<size>_<dataset>` for each size. Return the files.

    Raises InputError for runs without the numbers that `attention --canvases` keeps.
    """
    found = {run.files.record: _read(run) for run in runs}
    series, dataset, paths = series_of(runs), checks.file_part(runs[0].config.dataset), list[Path]()
    for size in dict.fromkeys(each.size for each in series):
        its = [each for each in series if each.size == size]
        shares, rights = [], []
        for each in its:
            parts = [found[run.files.record] for run in each.runs]
            rights.append(line(each.architecture, parts, "correct", 100.0))
            names = {"share": "D", "share_first": "A1"} if _subtracts(parts[0]) else {"share": "A"}
            shares += [line(f"{each.architecture}: {shown}", parts, name) for name, shown in names.items()]
        made = figure(size, its, shares, rights, canvas)
        paths += style.save(made, folder / f"attention_{checks.file_part(size)}_{dataset}", canvas)
    return paths


def _read(run: Run) -> Parts:
    parts = {part: its for part, its in attention_rows.load(run.files.attention).items() if part.inputs != TEST}
    weights = next((name for name in ("final", "best", "ema") if any(part.weights == name for part in parts)), None)
    parts = {part: its for part, its in parts.items() if part.weights == weights}
    if {part.inputs for part in parts} != {*_INPUTS}:
        ran = run.record.run_id
        raise InputError(f"run {ran} has no complete numbers of canvases. Run `attention {ran} --canvases` first")
    return parts


def _subtracts(parts: Parts) -> bool:
    return attended.over_layers(parts, "share_first", _INPUTS[0]) is not None


def line(label: str, runs: Sequence[Parts], name: str, unit: float = 1.0) -> Line:
    """Return a number of an architecture, the mean over layers and seeds, against the number of distractors.

    The interval of several seeds covers new seeds and new images, that of one seed new images.
    """
    means, low, high = [], [], []
    for inputs in _INPUTS:
        values = unit * np.stack(_of_images(runs, name, inputs))
        mean, interval, _ = attended.estimate(values, np.zeros_like(values))
        means.append(mean)
        low.append(interval[0] if interval else np.nan)
        high.append(interval[1] if interval else np.nan)
    return Line(label, *(np.array(each) for each in (means, low, high)))


def _of_images(runs: Sequence[Parts], name: str, inputs: str) -> list[np.ndarray]:
    """Return the number of each run for the rows that all of them have, (n,) each."""
    found = []
    for parts in runs:
        its = attended.together(parts, inputs)
        assert its, "all inputs are there"
        found.append((its.rows, its.values[name] if name in its.values else attended.over_layers(parts, name, inputs)))
    common = found[0][0]
    for rows, _ in found[1:]:
        common = np.intersect1d(common, rows)
    return [values[np.searchsorted(rows, common)] for rows, values in found if values is not None]


def figure(
    size: str, series: Sequence[Series], shares: Sequence[Line], rights: Sequence[Line], canvas: Canvas = CANVAS
) -> Figure:
    """Return the figure of one size: shares in the left panel, accuracies in the right one."""
    runs = [run for each in series for run in each.runs]
    with style.house_style(canvas):
        title = f"Attention on a target among distractors, {selection.dataset_title(runs[0].config.dataset)}, {size}"
        made = style.blank(title, canvas)
        one, other = made.subplots(2, 1) if canvas.narrow else made.subplots(1, 2)
        _draw(one, shares, canvas)
        one.plot(_COUNTS, 1 / (1 + _COUNTS), color=style.GREY, linestyle=":", label="chance 1 / (m + 1)")
        _draw(other, rights, canvas)
        for axes, label in ((one, "share on the target's cell"), (other, "accuracy (%)")):
            axes.set(xlabel="distractors m", ylabel=label)
            axes.set_xticks(_COUNTS)
            axes.legend(fontsize=canvas.points(9))
        low, high = other.get_ylim()
        other.set_ylim(max(low, -2), min(high, 102))
        style.caption(made, canvas, _facts(series, runs))
        panels = [one, other] if canvas.narrow else [one]
        style.fit(made, panels, _HEIGHT * (2 if canvas.narrow else 1) * canvas.shrunk)
    return made


def _draw(axes: Axes, lines: Sequence[Line], canvas: Canvas) -> None:
    for place, each in enumerate(lines):
        look = style.look(place)
        axes.fill_between(_COUNTS, each.low, each.high, color=look["color"], alpha=0.15, linewidth=0)
        options: dict[str, Any] = {"linewidth": 2.0 * canvas.scale, "markersize": 6 * canvas.scale}
        axes.plot(_COUNTS, each.means, label=each.label, **look, **options)


def _facts(series: Sequence[Series], runs: list[Run]) -> list[str]:
    several = all(len(each.runs) > 1 for each in series)
    return [
        "Canvases of 3 x 3 cells with a test image and m images of other classes, "
        f"{selection.seeds(runs)}. The share is that of |D| (classic attention: A) from the cls token, or from all",
        "tokens without one, on the target's cell, of what is on all cells with an image. It is a mean over layers,",
        "heads and images.",
        f"A band is a 95 % interval for new {'seeds and new images' if several else 'images, for these runs'}.",
        selection.warning(runs),
    ]
