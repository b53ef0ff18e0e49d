"""Loss histories over epochs and time to a threshold over seeds, in the layout of LANL's notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .. import log, task
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from . import events, selection, style
from .canvas import CANVAS, Canvas
from .differences import distinctions
from .events import IN_A_ROW, Event

THRESHOLD = 1e-3  # of a mean squared error, as published
TOP, ZOOM = 0.4, 0.025  # ends of the loss axes of LANL's figures
_ZOOMED = "#EEEEEE"
_LEGEND = 15  # runs that it names
_WIDTH, _PANELS, _EVENT_PANEL = 12, 6.1, 4.0  # inches: usual width; height at it, of both panels and of one
_LEAST = 0.36  # of the height of both panels, in a narrow figure
_LETTERS = 10.5  # points, of a legend
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """A run's mean loss per epoch on train and on validation, (epochs,) each, and when it came under the threshold."""

    run: Run
    train: Floats
    val: Floats
    event: Event
    differing: str = ""  # the settings in which the runs differ, beside model, size, seed, shape and epochs

    @classmethod
    def of(cls, run: Run, threshold: float, differing: str = "") -> History:
        """Read a run's log; raise InputError where it is damaged or has no complete epoch."""
        if run.done:
            run.require_whole("log")
        rows = log.read(run.files.log)[1]
        full = [row for row in rows if row["split"] == "val_full"]
        if not full:
            raise InputError(f"{run.files.log} has no complete epoch yet. Train for at least one epoch")
        train = _means(row for row in rows if row["split"] == "train")
        val = [float(row["loss"]) for row in full]
        means = np.array([train[row["epoch"]] for row in full])
        return cls(run, means, np.array(val), events.time_to(val, threshold), differing)

    @property
    def group(self) -> str:
        """What is compared: the model, its size, and the settings in which the runs differ."""
        config = self.run.config
        name = selection.run_title(config).removesuffix(f" on {selection.dataset_title(config.dataset)}")
        return ", ".join(filter(None, (name, self.differing)))


def _means(rows: Iterable[dict[str, Any]]) -> dict[int, float]:
    """The mean loss over the examples of each epoch."""
    sums: dict[int, tuple[float, int]] = {}
    for row in rows:
        loss, examples = sums.get(row["epoch"], (0.0, 0))
        sums[row["epoch"]] = (loss + row["loss"] * row["examples"], examples + row["examples"])
    return {epoch: loss / examples for epoch, (loss, examples) in sums.items()}


def draw(
    runs: list[Run], folder: Path, *, threshold: float | None, top: float | None, zoom: float | None,
    canvas: Canvas = CANVAS,
) -> list[Path]:  # fmt: skip
    """A figure of histories for each model, one for all models together, and one of the time to the threshold.

    `top` and `zoom` end the loss axes above and below. Returns the files, `history_<model>_<dataset>` and
    `event_<dataset>`. Raises InputError for a classification without a threshold, and for a damaged log.
    """
    config = runs[0].config
    if threshold is None and task.of(config.task) is task.classes:
        raise InputError(
            f"{config.dataset} is a classification, which has no default for the loss to reach. Give one with "
            "--threshold, such as 0.5"
        )
    threshold = THRESHOLD if threshold is None else threshold
    differing = distinctions(runs, free=selection.REPEATED)
    histories = [History.of(run, threshold, differing[run.files]) for run in runs]
    ends = _ends(histories, threshold, top, zoom)
    dataset, paths = checks.file_part(config.dataset), []
    architectures = selection.architectures(runs)
    for name, members in architectures.items():
        own = [each for each in histories if each.run in members]
        paths += _saved(own, threshold, ends, folder / f"history_{name}_{dataset}", canvas.of(_WIDTH))
    if len(architectures) > 1:
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
    """The upper ends of the two loss axes: as asked for, LANL's for their data, else what the curves need; the
    threshold lies inside of both."""
    published = histories[0].run.config.dataset == "nested_cylinder"
    highest = max(float(max(each.train.max(), each.val.max())) for each in histories)
    lowest = min(float(min(each.train.min(), each.val.min())) for each in histories)
    whole = top or max(TOP if published else 1.05 * highest, 2 * threshold)
    closer = ZOOM if published and lowest < ZOOM else max(1.5 * lowest, whole / 16)
    return whole, zoom or max(closer, 2 * threshold)


def groups(histories: Sequence[History]) -> dict[str, list[History]]:
    """The histories of each model and size."""
    found: dict[str, list[History]] = {}
    for history in histories:
        found.setdefault(history.group, []).append(history)
    return found


def _history_figure(histories: list[History], threshold: float, ends: tuple[float, float], canvas: Canvas) -> Figure:
    """Train to the left and validation to the right, complete above and zoomed below on grey."""
    compared = groups(histories)
    dataset = selection.dataset_title(histories[0].run.config.dataset)
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
    learned = task.of(histories[0].run.config.task)
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
    """Make the axes, with the legend in the upper right one, or above all in a narrow figure.

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
    """One of plasma's for each run of one model; one of the house's for each model of several."""
    if len(compared) == 1:
        places = np.linspace(0, 0.9, len(histories))
        return [to_hex(colormaps["plasma"](place)) for place in places]
    names = list(compared)
    return [style.COLOURS[names.index(history.group) % len(style.COLOURS)] for history in histories]


def _draw_history(axes: Axes, history: History, split: str, colour: str, scale: float) -> None:
    """The curve up to the event; a point where it came, a bar across the end where it did not."""
    end = history.event.epoch
    losses = getattr(history, split)[:end]
    axes.plot(np.arange(1, end + 1), losses, color=colour, linewidth=1.6 * scale)
    marker = "o" if history.event.reached else "|"
    axes.plot([end], losses[-1:], marker=marker, color=colour, markersize=6 * scale, clip_on=True)


def _entries(
    histories: Sequence[History], compared: dict[str, list[History]], colours: Sequence[str], threshold: float
) -> list[Line2D]:
    """The legend: seeds where one model is drawn, else models; the threshold."""
    names = [f"seed {each.run.config.seed}" if len(compared) == 1 else each.group for each in histories]
    shown = list(dict(zip(names, colours, strict=True)).items())[:_LEGEND]
    lines = [Line2D([], [], color=colour, label=name) for name, colour in shown]
    return [*lines, Line2D([], [], color=style.GREY, linestyle=":", label=f"threshold {threshold:g}")]


def _facts(histories: Sequence[History], threshold: float, ends: tuple[float, float]) -> list[str]:
    runs, reached = len(histories), sum(history.event.reached for history in histories)
    above = sum(float(history.val.max()) > ends[0] or float(history.train.max()) > ends[0] for history in histories)
    rows, kind = histories[0].run.record.data.rows, selection.examples([histories[0].run])
    return [
        f"n = {rows.train:,} training and {rows.val:,} validation {kind},",
        f"{runs} run{'s' if runs > 1 else ''}, one curve per run, {selection.seeds(h.run for h in histories)}.",
        f"A curve ends at the third consecutive epoch with a validation loss below {threshold:g} (point, {reached} of",
        f"{runs} runs), or else at the last epoch (bar).",
        f"The losses of {above} run{'s' if above > 1 else ''} exceed the upper panels." if above else "",
        selection.warning(history.run for history in histories),
    ]


def _event_figure(histories: list[History], threshold: float, canvas: Canvas) -> Figure:
    """The probability over epochs that a run has come under the threshold, by both estimators, for each model."""
    dataset = selection.dataset_title(histories[0].run.config.dataset)
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
        "censored at their last epoch.", *facts, f"{selection.seeds(history.run for history in histories)}.",
        selection.warning(history.run for history in histories),
    ])  # fmt: skip
    style.fit(figure, [axes], _EVENT_PANEL * canvas.shrunk)
    return figure


def _draw_likelihoods(axes: Axes, name: str, found: list[Event], place: int, last: int) -> str:
    """Draw both curves of a model; return its sentence of the caption."""
    colour, reached = style.COLOURS[place % len(style.COLOURS)], sum(event.reached for event in found)
    curves = {"Kaplan-Meier": (events.kaplan_meier(found), "-."), "Nelson-Aalen": (events.nelson_aalen(found), "--")}
    for estimator, (curve, dashes) in curves.items():
        epochs = np.concatenate([[0], curve.epochs, [last]])
        values = np.concatenate([[0], curve.values, curve.values[-1:]])
        axes.step(epochs, values, where="post", color=colour, linestyle=dashes, label=f"{name}, {estimator}")
    middle = events.median(curves["Kaplan-Meier"][0])
    half = f"Kaplan-Meier median {middle:,.0f} epochs" if middle is not None else "median not reached"
    return f"{name}: {reached} of {len(found)} runs with the event, {half}."
