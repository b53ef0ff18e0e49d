"""Diffraction patterns of a run's test set with their class and the model's three most likely classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import softmax

from .. import data
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..config import checks
from ..data.sources import signals
from ..errors import InputError
from ..task import TOPS
from . import inputs, selection, style
from .canvas import CANVAS, Canvas

_LIKELIEST = TOPS[1]
_COUNT = 6
_WIDTH, _PANEL, _LOWEST = 11, 1.3, 0.55  # inches: usual width; height of a panel at it, and at least
_RIGHT, _WRONG = style.COLOURS[2], style.COLOURS[1]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pattern:
    """One test pattern: its published row, angles and intensities (L,), class, and most likely classes with shares."""

    row: int
    intensity: Floats
    truth: str
    likeliest: list[tuple[str, float]]


def draw(
    run: Run, folder: Path, *, count: int = _COUNT, say: selection.Say, progress: Callable[..., None],
    canvas: Canvas = CANVAS,
) -> list[Path]:  # fmt: skip
    """Draw `count` patterns, chosen at random from the test set by a fixed seed.

    Returns `patterns_<run id>.png` and `.svg`. Raises InputError if the run is not on signals, if it has no test, and
    if its data no longer exist.
    """
    if len(run.config.input_shape) != 2:
        raise InputError(f"{selection.label(run)} was not trained on patterns. Name a run on patterns with --run")
    if not run.files.predictions.exists():
        raise InputError(
            f"{selection.label(run)} has no predictions. Run `run.py evaluate --run {run.record.run_id} --again`"
        )
    run.require_whole("predictions", fix="Run `evaluate --again` to recompute it")
    found = Predictions.load(run.files.predictions)
    chosen = np.sort(np.random.default_rng(0).permutation(len(found.rows))[:count])
    held, angles = _inputs(run, found.rows[chosen], say, progress)
    names = [style.legible(name) for name in run.record.data.class_names]
    patterns = [
        _pattern(found, int(place), np.asarray(intensity, float), names)
        for place, intensity in zip(chosen, held, strict=True)
    ]
    canvas = canvas.of(_WIDTH)
    with style.house_style(canvas):
        figure = _figure(run, patterns, angles, canvas)
    return style.save(figure, folder / f"patterns_{run.record.run_id}_{checks.file_part(run.config.dataset)}", canvas)


def _inputs(
    run: Run, rows: npt.NDArray[np.int64], say: selection.Say, progress: Callable[..., None]
) -> tuple[npt.NDArray[np.floating], Floats | None]:
    """Return the first channel of the patterns of these rows (n, L), and their angles (L,) if known."""
    known = run.record.data
    ask = data.ask_of(
        run.config.to_json(), path=known.path, design=known.design or None, filelist=known.filelist or None
    )
    cached = data.prepare(ask, say, progress, version=known.version, digest=known.arrays_digest)
    return inputs.of_cache(cached, run, rows)[:, 0], signals.angles(ask, run.config.input_shape[1])


def _pattern(found: Predictions, place: int, intensity: Floats, names: list[str]) -> Pattern:
    shares = softmax(found.logits[place].astype(float))
    first = np.argsort(-shares, kind="stable")[:_LIKELIEST]
    likeliest = [(names[index], float(shares[index])) for index in first]
    return Pattern(int(found.rows[place]), intensity, names[found.labels[place]], likeliest)


def _figure(run: Run, patterns: list[Pattern], angles: Floats | None, canvas: Canvas) -> Figure:
    figure = style.blank(f"{selection.run_title(run.config)}: test patterns", canvas)
    panels = figure.subplots(len(patterns), 1, sharex=True, squeeze=False)[:, 0]
    for axes, pattern in zip(panels, patterns, strict=True):
        _draw(axes, pattern, angles, canvas)
    panels[-1].set_xlabel("point of the pattern" if angles is None else "2θ (degrees)")
    panels[len(panels) // 2].set_ylabel("intensity")
    style.caption(figure, canvas, _facts(run, len(patterns)))
    style.fit(figure, [*panels], len(panels) * max(_PANEL * canvas.shrunk, _LOWEST))
    return figure


def _facts(run: Run, count: int) -> list[str]:
    test = run.record.test
    return [
        f"{count} of n = {test.n:,} test patterns, drawn at random. The title is the true class. The right column",
        f"lists the {_LIKELIEST} most likely classes with their probabilities (green: the true class, orange: a wrong",
        "first choice). Over all test patterns:",
        _accuracy("top-1", test.top1, test.top1_interval),
        _accuracy("top-3", test.top3, test.top3_interval),
        f"{selection.seeds([run])}, run {run.record.run_id}, final weights.",
        selection.warning([run]),
    ]


def _accuracy(name: str, share: float | None, interval: Sequence[float] | None) -> str:
    """Return one accuracy over all test patterns, or an empty text if the record of an earlier version lacks it."""
    if share is None:
        return ""
    within = f" (95 % Wilson interval {100 * interval[0]:.1f} % to {100 * interval[1]:.1f} %)" if interval else ""
    return f"{name} accuracy {100 * share:.1f} %{within},"


def _draw(axes: Axes, pattern: Pattern, angles: Floats | None, canvas: Canvas) -> None:
    x = np.arange(len(pattern.intensity)) if angles is None else angles
    axes.plot(x, pattern.intensity, color="black", linewidth=0.8 * canvas.scale)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(0, 1.08 * float(pattern.intensity.max()))
    axes.set_title(f"{pattern.truth} (row {pattern.row:,})", loc="left", fontsize=canvas.points(12.5))
    size = canvas.points(11)
    for place, (name, share) in enumerate(pattern.likeliest):
        colour = _RIGHT if name == pattern.truth else _WRONG if place == 0 else style.GREY
        axes.annotate(
            f"{100 * share:.0f} %  {name}", (1.01, 0.98), xycoords="axes fraction", xytext=(0, -1.7 * size * place),
            textcoords="offset points", va="top", fontsize=size, color=colour,
            fontweight="bold" if name == pattern.truth else "normal",
        )  # fmt: skip
