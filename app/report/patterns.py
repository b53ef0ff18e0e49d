"""Diffraction patterns of a run's test set with their class and the model's three likeliest."""

from __future__ import annotations

from collections.abc import Callable
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
from . import selection, style

_LIKELIEST = TOPS[1]
_COUNT = 6
_RIGHT, _WRONG = style.COLOURS[2], style.COLOURS[1]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pattern:
    """One test pattern: its row as published, its angles and intensities (L,), its class, the likeliest with shares."""

    row: int
    intensity: Floats
    truth: str
    likeliest: list[tuple[str, float]]


def draw(
    run: Run, folder: Path, *, count: int = _COUNT, say: selection.Say, progress: Callable[..., None]
) -> list[Path]:
    """So many patterns, drawn at random from the test set by a fixed seed; `patterns_<run id>.png` and `.svg`.

    Raises InputError for a run on anything but signals, for one without a test, and where its data are gone.
    """
    if len(run.config.input_shape) != 2:
        raise InputError(f"{selection.label(run)} is no run on patterns; name one with --run")
    if not run.files.predictions.exists():
        raise InputError(
            f"{selection.label(run)} has no predictions; run.py evaluate --run {run.record.run_id} --again"
        )
    run.require_whole("predictions", fix="evaluate with --again recomputes it")
    found = Predictions.load(run.files.predictions)
    chosen = np.sort(np.random.default_rng(0).permutation(len(found.rows))[:count])
    held, angles = _inputs(run, found.rows[chosen], say, progress)
    names = [style.legible(name) for name in run.record.data.class_names]
    patterns = [
        _pattern(found, int(place), np.asarray(intensity, float), names)
        for place, intensity in zip(chosen, held, strict=True)
    ]
    with style.house_style():
        figure = _figure(run, patterns, angles)
    return style.save(figure, folder / f"patterns_{run.record.run_id}_{checks.file_part(run.config.dataset)}")


def _inputs(
    run: Run, rows: npt.NDArray[np.int64], say: selection.Say, progress: Callable[..., None]
) -> tuple[npt.NDArray[np.floating], Floats | None]:
    """The first channel of the patterns of these rows (n, L), and their angles (L,) where they are known."""
    known = run.record.data
    ask = data.ask_of(
        run.config.to_json(), path=known.path, design=known.design or None, filelist=known.filelist or None
    )
    cached = data.prepare(ask, say, progress, version=known.version, digest=known.arrays_digest)
    split = known.test_from or "test"
    published = cached.array(split, "rows")
    order = np.argsort(published, kind="stable")
    places = order[np.searchsorted(published, rows, sorter=order)]
    return cached.images(split)[places][:, 0], signals.angles(ask, run.config.input_shape[1])


def _pattern(found: Predictions, place: int, intensity: Floats, names: list[str]) -> Pattern:
    shares = softmax(found.logits[place].astype(float))
    first = np.argsort(-shares, kind="stable")[:_LIKELIEST]
    likeliest = [(names[index], float(shares[index])) for index in first]
    return Pattern(int(found.rows[place]), intensity, names[found.labels[place]], likeliest)


def _figure(run: Run, patterns: list[Pattern], angles: Floats | None) -> Figure:
    figure = style.blank(
        f"{selection.run_title(run.config)}: test patterns", width=11, height=1.0 + 1.9 * len(patterns)
    )
    panels = figure.subplots(len(patterns), 1, sharex=True, squeeze=False)[:, 0]
    for axes, pattern in zip(panels, patterns, strict=True):
        _draw(axes, pattern, angles)
    panels[-1].set_xlabel("point of the pattern" if angles is None else "2θ (degrees)")
    panels[len(panels) // 2].set_ylabel("intensity")
    test = run.record.test
    style.facts_below(figure, [
        f"{len(patterns)} of {test.n:,} test patterns, drawn at random, each with its class and the three that the",
        f"model holds likeliest (green: right). Over all of them top-1 is {100 * test.top1:.1f} %, top-3",
        f"{100 * test.top3:.1f} %; {selection.seeds([run])}; run {run.record.run_id}, final weights.",
        selection.warning([run]),
    ])  # fmt: skip
    return figure


def _draw(axes: Axes, pattern: Pattern, angles: Floats | None) -> None:
    x = np.arange(len(pattern.intensity)) if angles is None else angles
    axes.plot(x, pattern.intensity, color="black", linewidth=0.8)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(0, 1.08 * float(pattern.intensity.max()))
    axes.set_title(f"{pattern.truth} (row {pattern.row:,})", loc="left", fontsize=12.5)
    for place, (name, share) in enumerate(pattern.likeliest):
        colour = _RIGHT if name == pattern.truth else _WRONG if place == 0 else style.GREY
        axes.text(
            1.01, 0.98 - 0.2 * place, f"{100 * share:.0f} %  {name}", transform=axes.transAxes, va="top", fontsize=11,
            color=colour, fontweight="bold" if name == pattern.truth else "normal",
        )  # fmt: skip
