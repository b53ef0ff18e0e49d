"""Loss histories over epochs and time to a threshold over seeds, in the layout of LANL's notebooks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .. import task
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from . import events, selection, style
from .canvas import CANVAS, Canvas
from .curves import PUBLISHED_ON, History, Published, dataset_of, described, groups, runs_of, task_of
from .differences import distinctions
from .events import IN_A_ROW, Event

THRESHOLD = 1e-3  # of a mean squared error, as published
TOP, ZOOM = 0.4, 0.025  # ends of the loss axes of LANL's figures
_ZOOMED = "#EEEEEE"
_LEGEND = 15  # runs that it names
_WIDTH, _PANELS, _EVENT_PANEL = 12, 6.1, 4.0  # inches: usual width; height at it, of both panels and of one
_LEAST = 0.36  # of the height of both panels, in a narrow figure
_LETTERS = 10.5  # points, of a legend


def draw(
    runs: list[Run], folder: Path, *, threshold: float | None, top: float | None, zoom: float | None,
    canvas: Canvas = CANVAS, published: Sequence[Published] = (),
) -> list[Path]:  # fmt: skip
    """Draw loss histories for each model, one figure for all models together, and one of the time to the threshold.

    `top` and `zoom` are the upper ends of the two loss axes. `published` runs are drawn with those of their dataset,
    and may be drawn alone. Returns the files, `history_<model>_<dataset>` and `event_<dataset>`. Raises InputError for
    a classification without a threshold, and for a damaged log.
    """
    if threshold is None and runs and task.of(runs[0].config.task) is task.classes:
        raise InputError(
            f"{runs[0].config.dataset} is a classification, which has no default for the loss to reach. Give one with "
            "--threshold, such as 0.5"
        )
    threshold = THRESHOLD if threshold is None else threshold
    differing = distinctions(runs, free=selection.REPEATED)
    histories = [History.of(run, threshold, differing[run.files]) for run in runs]
    drawn = {
        name: [each for each in histories if each.run in members]
        for name, members in selection.architectures(runs).items()
    }
    others = [History.of_published(each, threshold) for each in published]
    drawn |= {re.sub(r"\W+", "-", name).strip("-"): members for name, members in groups(others).items()}
    histories += others
    ends = _ends(histories, threshold, top, zoom)
    dataset, paths = checks.file_part(dataset_of(histories)), []
    for name, own in drawn.items():
        paths += _saved(own, threshold, ends, folder / f"history_{name}_{dataset}", canvas.of(_WIDTH))
    if len(drawn) > 1:
        paths += _saved(histories, threshold, ends, folder / f"history_all_{dataset}", canvas.of(_WIDTH))
    with style.house_style(canvas):
        figure = _event_figure(histories, threshold, canvas)
    return paths + style.save(figure, folder / f"event_{dataset}", canvas)


def _saved(
    histories: list[History], threshold: float, ends: tuple[float, float], stem: Path, canvas: Canvas
) -> list[Path]:
    with style.house_style(canvas):
        figure = _history_figure(histories, threshold, ends, canvas)
    return style.save(figure, stem, canvas)


def _ends(histories: Sequence[History], threshold: float, top: float | None, zoom: float | None) -> tuple[float, float]:
    """Return the upper ends of the loss axes: the given ones, LANL's for their data, else what the curves need.

    Both axes contain the threshold.
    """
    published = dataset_of(histories) == PUBLISHED_ON
    highest = max(float(max(each.train.max(), each.val.max())) for each in histories)
    lowest = min(float(min(each.train.min(), each.val.min())) for each in histories)
    whole = top or max(TOP if published else 1.05 * highest, 2 * threshold)
    closer = ZOOM if published and lowest < ZOOM else max(1.5 * lowest, whole / 16)
    return whole, zoom or max(closer, 2 * threshold)


def _history_figure(histories: list[History], threshold: float, ends: tuple[float, float], canvas: Canvas) -> Figure:
    """Return a figure with train on the left and validation on the right, complete above and zoomed below on grey."""
    compared = groups(histories)
    dataset = selection.dataset_title(dataset_of(histories))
    alone = f"{next(iter(compared))} on {dataset}: loss per epoch"
    figure = style.blank(alone if len(compared) == 1 else f"Loss per epoch on {dataset}", canvas)
    colours = _colours(histories, compared)
    panels, stacked, height = _panels(figure, _entries(histories, compared, colours, threshold), canvas)
    for column, split in enumerate(("train", "val")):
        for row, end in enumerate(ends):
            axes = panels[row][column]
            for history, colour in zip(histories, colours, strict=True):
                _draw_history(axes, history, split, colour, canvas.scale)
            axes.axhline(threshold, color=style.GREY, linestyle=":", linewidth=1.8 * canvas.scale)
            axes.set_ylim(0, end)
        panels[0][column].set_title("training" if split == "train" else "validation", loc="left")
        panels[1][column].set_facecolor(_ZOOMED)
        panels[1][column].set_xlabel("epoch")
        panels[1][column].xaxis.set_major_locator(_whole_epochs(canvas))
        if all(len(history.val) == 1 for history in histories):
            panels[1][column].set_xlim(0.5, 1.5)
    learned = task.of(task_of(histories))
    panels[0][0].set_ylabel(
        learned.loss_name if learned is task.values else f"{learned.loss_name} ({learned.loss_unit})"
    )
    panels[1][0].set_ylabel("zoom")
    style.caption(figure, canvas, _facts(histories, threshold, ends))
    style.fit(figure, stacked, height)
    return figure


def _whole_epochs(canvas: Canvas) -> MaxNLocator:
    return MaxNLocator(4 if canvas.narrow else 6, integer=True, min_n_ticks=1)


def _panels(figure: Figure, entries: list[Line2D], canvas: Canvas) -> tuple[npt.NDArray[np.object_], list[Axes], float]:
    """Make the axes, with the legend in the upper right one, or above all axes in a narrow figure.

    Returns the panels (2, 2), the axes of a column and its height in inches.
    """
    height = _PANELS * max(canvas.shrunk, _LEAST)
    if not canvas.narrow:
        panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(2, 1))
        columns = 2 if len(entries) > 7 else 1
        panels[0][1].legend(handles=entries, loc="upper right", fontsize=canvas.points(_LETTERS), ncols=columns)
        return panels, [*panels[:, 0]], height
    above, columns = style.legend_size(entries, canvas, _LETTERS)
    panels = figure.subplots(3, 2, sharex=True, sharey="row", height_ratios=(above, height * 2 / 3, height / 3))
    for axes in panels[0]:
        axes.remove()
    axes = figure.add_subplot(panels[0][0].get_gridspec()[0, :])
    axes.axis("off")
    axes.legend(handles=entries, loc="upper left", borderaxespad=0, fontsize=canvas.points(_LETTERS), ncols=columns)
    return panels[1:], [axes, *panels[1:, 0]], above + height


def _colours(histories: Sequence[History], compared: dict[str, list[History]]) -> list[str]:
    """Return a colour of plasma for each run of one model, or a colour of the palette for each of several models."""
    if len(compared) == 1:
        places = np.linspace(0, 0.9, len(histories))
        return [to_hex(colormaps["plasma"](place)) for place in places]
    names = list(compared)
    return [style.COLOURS[names.index(history.group) % len(style.COLOURS)] for history in histories]


def _draw_history(axes: Axes, history: History, split: str, colour: str, scale: float) -> None:
    """Draw the curve, a point at the event, and a bar across the end of a run without it."""
    losses = getattr(history, split)
    drawn = np.arange(1, history.drawn + 1)
    axes.plot(drawn, losses[: history.drawn], color=colour, linewidth=1.6 * scale)
    marker, at = "o" if history.event.reached else "|", history.event.epoch
    axes.plot([at], losses[at - 1 : at], marker=marker, color=colour, markersize=6 * scale, clip_on=True)


def _entries(
    histories: Sequence[History], compared: dict[str, list[History]], colours: Sequence[str], threshold: float
) -> list[Line2D]:
    """Return the legend's entries: seeds if one model is drawn, else models, and the threshold."""
    names = [each.name if len(compared) == 1 else each.group for each in histories]
    shown = list(dict(zip(names, colours, strict=True)).items())[:_LEGEND]
    lines = [Line2D([], [], color=colour, label=name) for name, colour in shown]
    return [*lines, Line2D([], [], color=style.GREY, linestyle=":", label=f"threshold {threshold:g}")]


def _facts(histories: Sequence[History], threshold: float, ends: tuple[float, float]) -> list[str]:
    runs, reached = len(histories), sum(history.event.reached for history in histories)
    above = sum(float(history.val.max()) > ends[0] or float(history.train.max()) > ends[0] for history in histories)
    cut = task.of(task_of(histories)) is task.values
    return [
        *described(histories),
        f"{'A curve ends at' if cut else 'A point marks'} the third consecutive epoch with a validation loss below",
        f"{threshold:g} ({'point, ' if cut else ''}{reached} of {runs} runs),",
        "or else at the last epoch (bar)." if cut else "and a bar the end of the other runs.",
        f"The losses of {above} run{'s' if above > 1 else ''} exceed the upper panels." if above else "",
        selection.warning(runs_of(histories)),
    ]


def _event_figure(histories: list[History], threshold: float, canvas: Canvas) -> Figure:
    """Return a figure of the probability by epoch that a run fell below the threshold, per model and estimator."""
    dataset = selection.dataset_title(dataset_of(histories))
    figure = style.blank(f"Time to a validation loss below {threshold:g} on {dataset}", canvas)
    axes = figure.subplots()
    last = max(len(history.val) for history in histories)
    facts = []
    for place, (name, members) in enumerate(groups(histories).items()):
        found = [history.event for history in members]
        facts.append(_draw_likelihoods(axes, name, found, place, last))
    for level in (0.5, 1.0):
        axes.axhline(level, color=style.GREY, linestyle=":", linewidth=1.2 * canvas.scale)
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("epoch")
    axes.set_ylabel("cumulative probability")
    axes.xaxis.set_major_locator(_whole_epochs(canvas))
    style.legend_above(axes, canvas)
    style.caption(figure, canvas, [
        f"The event is the third of the first {IN_A_ROW} consecutive epochs below the threshold. Runs without it are",
        "censored at their last epoch.", *facts,
        f"{selection.seeds(runs_of(histories))}." if runs_of(histories) else "",
        selection.warning(runs_of(histories)),
    ])  # fmt: skip
    style.fit(figure, [axes], _EVENT_PANEL * canvas.shrunk)
    return figure


def _draw_likelihoods(axes: Axes, name: str, found: list[Event], place: int, last: int) -> str:
    """Draw both curves of a model, and return the sentence on it for the caption."""
    colour, reached = style.COLOURS[place % len(style.COLOURS)], sum(event.reached for event in found)
    curves = {"Kaplan-Meier": (events.kaplan_meier(found), "-."), "Nelson-Aalen": (events.nelson_aalen(found), "--")}
    for estimator, (curve, dashes) in curves.items():
        epochs = np.concatenate([[0], curve.epochs, [last]])
        values = np.concatenate([[0], curve.values, curve.values[-1:]])
        axes.step(epochs, values, where="post", color=colour, linestyle=dashes, label=f"{name}, {estimator}")
    middle = events.median(curves["Kaplan-Meier"][0])
    half = f"Kaplan-Meier median {middle:,.0f} epochs" if middle is not None else "median not reached"
    return f"{name}: {reached} of {len(found)} runs with the event, {half}."
