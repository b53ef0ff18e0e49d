"""Figures of the signal share: attention on the image among distractors, and the accuracy next to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..artifacts import attention_rows
from ..artifacts.attention_rows import CANVAS, PATCHED, TEST
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from ..results import attended
from ..results.attended import Parts
from ..results.attention_units import Units
from ..tables.attention_numbers import MOST_DISTRACTORS, ROUNDING
from . import selection, style
from .canvas import CANVAS as USUAL
from .canvas import Canvas
from .series import Series, series_of

_HEIGHT = 4.3  # inches
_TEXTS = {  # the start of a file's name, the axis of shares, the dotted line, and the caption: what, and where
    CANVAS: (
        "attention", "share on the target's cell - chance", "chance, 1 / (m + 1)",
        "Canvases of 3 x 3 cells with a test image and m images of other classes",
        "tokens without one, on the target's cell, of what is on all cells with an image, minus",
        "chance. It is a mean over layers,",
    ),
    PATCHED: (
        "attention_patches", "share on the image - uniform", "uniform map, 1 - m / 16",
        "Test images with m patches of other classes on their border",
        "tokens without one, on what patches leave of the image, minus that of a uniform map. Thin lines: on the",
        "same places of the images without patches. It is a mean over layers,",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """The images among distractors of a figure, by their number of distractors."""

    kind: str  # canvas | patched
    counts: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs in the file of numbers."""
        return tuple(f"{self.kind}{count}" for count in self.counts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of its figure."""
        return _TEXTS[self.kind]

    @property
    def chance(self) -> np.ndarray:
        """The share on the target's cell of a map without a preference, (counts,)."""
        return 1 / (1 + np.array(self.counts))


CANVASES = Inputs(CANVAS, tuple(range(MOST_DISTRACTORS + 1)))


@dataclass(frozen=True)
class Line:
    """A number against distractors: means and 95 % intervals, (counts,) each. NaN: there is no interval."""

    label: str
    means: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clean: np.ndarray | None = None  # the means of the same places in images without patches

    def minus(self, reference: np.ndarray, clean: np.ndarray | None = None) -> Line:
        """Return the line relative to a reference, with the means without patches if there are such, (counts,) each."""
        means, low, high = (each - reference for each in (self.means, self.low, self.high))
        return Line(self.label, means, low, high, None if clean is None else clean - reference)


def draw(runs: list[Run], folder: Path, *, canvas: Canvas = USUAL) -> list[Path]:
    """Draw `attention_<size>_<dataset>` of canvases and `attention_patches_<size>_<dataset>` for each size.

    Returns the files. Raises InputError if neither canvases nor images with patches are measured on all of the runs, or
    if the runs of a size have no test row in common.
    """
    found = {run.files.record: _read(run) for run in runs}
    drawn = measured(runs, [*found.values()])
    series, dataset, paths = series_of(runs), checks.file_part(runs[0].config.dataset), list[Path]()
    for size in dict.fromkeys(each.size for each in series):
        its = [each for each in series if each.size == size]
        units = Units.of(its[0].runs[0])
        for inputs in drawn:
            made = _of_size(size, its, found, inputs, units, canvas)
            paths += style.save(made, folder / f"{inputs.texts[0]}_{checks.file_part(size)}_{dataset}", canvas)
    return paths


def measured(runs: Sequence[Run], parts: Sequence[Parts]) -> list[Inputs]:
    """Return the inputs that are measured on all of the runs. Raise InputError if there are none."""
    found = []
    if all({*CANVASES.names} <= {part.inputs for part in its} for its in parts):
        found.append(CANVASES)
    if len(counts := tuple(sorted(set.intersection(*(set(attended.counts(its, PATCHED)) for its in parts))))) > 1:
        found.append(Inputs(PATCHED, counts))
    if found:
        return found
    ran = next((run for run, its in zip(runs, parts, strict=True) if not its), runs[0]).record.run_id
    raise InputError(
        f"not all of the runs have the same numbers among distractors, such as run {ran}. Run `attention {ran} "
        "--canvases` or `attention ... --distractors 4` for every run first"
    )


def _read(run: Run) -> Parts:
    parts = {part: its for part, its in attention_rows.load(run.files.attention).items() if part.inputs != TEST}
    weights = next((name for name in ("final", "best", "ema") if any(part.weights == name for part in parts)), None)
    return {part: its for part, its in parts.items() if part.weights == weights}


def _of_size(
    size: str, series: Sequence[Series], found: Mapping[Path, Parts], inputs: Inputs, units: Units, canvas: Canvas
) -> Figure:  # fmt: skip
    shares, rights = [], []
    rows = _rows([found[run.files.record] for each in series for run in each.runs], inputs)
    codes = units.codes(rows)
    for each in series:
        parts = [found[run.files.record] for run in each.runs]
        rights.append(line(each.architecture, parts, "correct", 100.0, inputs=inputs, rows=rows, codes=codes))
        names = {"share": "D", "share_first": "A1"} if _subtracts(parts[0], inputs) else {"share": "A"}
        for name, shown in names.items():
            drawn = line(f"{each.architecture}: {shown}", parts, name, inputs=inputs, rows=rows, codes=codes)
            if inputs.kind == PATCHED:
                others = (line("", parts, of, inputs=inputs, rows=rows) for of in ("uniform", f"{name}_clean"))
                uniform, clean = (other.means for other in others)
                shares.append(drawn.minus(uniform, clean))
            else:
                shares.append(drawn.minus(inputs.chance))
    return figure(size, series, shares, rights, canvas, inputs=inputs, n=len(rows))


def _rows(runs: Sequence[Parts], inputs: Inputs) -> np.ndarray:
    """Return the test rows that all of the runs have for every number of distractors. Raise InputError for none."""
    if not len(rows := attended.common(runs, inputs.names)):
        raise InputError("the runs have no test row in common. Run `attention` on all of them with one --limit-test")
    return rows


def _subtracts(parts: Parts, inputs: Inputs) -> bool:
    return attended.over_layers(parts, "share_first", inputs.names[0]) is not None


def line(
    label: str, runs: Sequence[Parts], name: str, unit: float = 1.0, *, rows: np.ndarray, inputs: Inputs = CANVASES,
    codes: np.ndarray | None = None,
) -> Line:  # fmt: skip
    """Return a number of an architecture, the mean over layers and seeds, against the number of distractors.

    All of it is of the same test rows, (n,). Rows with equal `codes` (n,) count as one. The interval of several seeds
    covers new seeds and new images, that of one seed new images. It has no width where the number varies over neither.
    """
    means, low, high = [], [], []
    for each in inputs.names:
        values = np.stack([_of_images(parts, name, each, rows) for parts in runs])
        mean, interval, _ = attended.estimate(values, np.zeros_like(values), codes=codes)
        if interval is None and len(rows) > 1 and np.ptp(values) <= ROUNDING:
            interval = mean, mean
        means.append(mean)
        low.append(max(interval[0], 0) if interval else np.nan)
        high.append(min(interval[1], 1) if interval else np.nan)
    return Line(label, *(unit * np.array(each) for each in (means, low, high)))


def _of_images(parts: Parts, name: str, inputs: str, rows: np.ndarray) -> np.ndarray:
    """Return a number of a run between 0 and 1 for these rows, (n,)."""
    its = attended.together(parts, inputs)
    assert its, "all inputs are there"
    values = its.values[name] if name in its.values else attended.over_layers(parts, name, inputs)
    assert values is not None, "the architecture has the number"
    return np.asarray(values[np.searchsorted(its.rows, rows)])


def figure(
    size: str, series: Sequence[Series], shares: Sequence[Line], rights: Sequence[Line], canvas: Canvas = USUAL,
    *, inputs: Inputs, n: int,
) -> Figure:  # fmt: skip
    """Return the figure of one size for n test images: shares in the left panel, accuracies in the right one."""
    runs = [run for each in series for run in each.runs]
    _, share, dotted, *_ = inputs.texts
    with style.house_style(canvas):
        title = f"Attention on a target among distractors, {selection.dataset_title(runs[0].config.dataset)}, {size}"
        made = style.blank(title, canvas)
        one, other = made.subplots(2, 1) if canvas.narrow else made.subplots(1, 2)
        _draw(one, shares, canvas, inputs)
        one.plot(inputs.counts, np.zeros(len(inputs.counts)), color=style.GREY, linestyle=":", label=dotted)
        _draw(other, rights, canvas, inputs)
        for axes, label in ((one, share), (other, "accuracy (%)")):
            axes.set(xlabel="distractors m", ylabel=label)
            axes.set_xticks(inputs.counts)
            axes.legend(fontsize=canvas.points(9))
        low, high = other.get_ylim()
        other.set_ylim(max(low, -2), min(high, 102))
        style.caption(made, canvas, _facts(series, runs, inputs, n))
        panels = [one, other] if canvas.narrow else [one]
        style.fit(made, panels, _HEIGHT * (2 if canvas.narrow else 1) * canvas.shrunk)
    return made


def _draw(axes: Axes, lines: Sequence[Line], canvas: Canvas, inputs: Inputs) -> None:
    for place, each in enumerate(lines):
        look = style.look(place)
        axes.fill_between(inputs.counts, each.low, each.high, color=look["color"], alpha=0.15, linewidth=0)
        options: dict[str, Any] = {"linewidth": 2.0 * canvas.scale, "markersize": 6 * canvas.scale}
        axes.plot(inputs.counts, each.means, label=each.label, **look, **options)
        if each.clean is not None:
            axes.plot(inputs.counts, each.clean, color=look["color"], linewidth=0.9 * canvas.scale)


def _facts(series: Sequence[Series], runs: list[Run], inputs: Inputs, n: int) -> list[str]:
    several = all(len(each.runs) > 1 for each in series)
    about, *where = inputs.texts[3:]
    return [
        f"{about}, {selection.seeds(runs)}, n {n:,} test rows.",
        "The share is that of |D| (classic attention: A) from the cls token, or from all",
        *where,
        "heads and images.",
        f"A band is a 95 % interval for new {'seeds and new images' if several else 'images, for these runs'}.",
        selection.warning(runs),
    ]
