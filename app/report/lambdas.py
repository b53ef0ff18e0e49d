"""The figure of lambda: a line per layer over the epochs, with its initial value dashed, and a panel per seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .. import log
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from . import selection, style
from .canvas import CANVAS, Canvas
from .series import Series, series_of

_COLUMNS = 3
_PANEL = 3.2  # inches of height
_NAMED = 6  # layers that a legend names


def draw(runs: list[Run], folder: Path, *, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw `lambda_<architecture>_<size>_<dataset>` for each architecture with a lambda per layer. Return the files.

    Raises InputError if the log of no run has lambda.
    """
    paths: list[Path] = []
    for series in series_of(runs):
        if curves := {run.config.seed: found for run in series.runs if len(found := curves_of(run))}:
            dataset = checks.file_part(series.runs[0].config.dataset)
            stem = f"lambda_{series.key}_{checks.file_part(series.size)}_{dataset}"
            paths += style.save(figure(series, curves, canvas), folder / stem, canvas)
    if not paths:
        raise InputError(
            f"the logs of these {len(runs)} runs have no lambda. Name runs of differential attention that were trained "
            "by a version that logs it"
        )
    return paths


def curves_of(run: Run) -> np.ndarray:
    """Return lambda after each epoch, float64 (epochs, layers), from the run's log. It is empty without lambda."""
    rows = log.read(run.files.log)[1]
    return np.array([row["lambdas"] for row in rows if row["split"] == "val_full" and "lambdas" in row], np.float64)


def figure(series: Series, curves: dict[int, np.ndarray], canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of an architecture, with a panel for each seed: (epochs, layers) each."""
    with style.house_style(canvas):
        title = f"Lambda of each layer of {series.architecture} {series.size} on "
        made = style.blank(title + selection.dataset_title(series.runs[0].config.dataset), canvas)
        columns = 1 if canvas.narrow else min(len(curves), _COLUMNS)
        rows = -(-len(curves) // columns)
        grid = made.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        panels: list[Axes] = [*grid.flat]
        for axes, (seed, values) in zip(panels, sorted(curves.items()), strict=False):
            _panel(axes, values, canvas)
            axes.set_title(f"seed {seed}" if len(curves) > 1 else "", loc="left")
        for axes in panels[len(curves) :]:
            axes.axis("off")
        for axes in grid[:, 0]:
            axes.set_ylabel("lambda")
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panels[0].legend(fontsize=canvas.points(9), ncols=2)
        style.caption(made, canvas, _facts(series, curves))
        style.fit(made, [*grid[:, 0]], _PANEL * rows * canvas.shrunk if rows > 1 else 4.3 * canvas.shrunk)
    return made


def _panel(axes: Axes, values: np.ndarray, canvas: Canvas) -> None:
    from ..models.attention.differential import lambda_init

    epochs, layers = values.shape
    x, every = np.arange(1, epochs + 1), -(-layers // _NAMED)
    colours = colormaps["viridis"](np.linspace(0, 0.9, layers))
    for layer in range(layers):
        name = f"layer {layer}" if layer % every == 0 or layer == layers - 1 else None
        look = {"color": colours[layer], "linewidth": 1.6 * canvas.scale}
        axes.plot(x, values[:, layer], label=name, marker="o" if epochs == 1 else None, **look)
        axes.axhline(lambda_init(layer), color=colours[layer], linewidth=0.8 * canvas.scale, linestyle="--")


def _facts(series: Series, curves: dict[int, np.ndarray]) -> Sequence[str]:
    counts = sorted({len(values) for values in curves.values()})
    return [
        f"Lambda after each of {counts[-1]:,} epochs, {selection.seeds([*series.runs])}, from the first layer (dark)",
        "to the last one (light). A dashed line is lambda_init = 0.8 - 0.6 exp(-0.3 layer).",
    ]
