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
from matplotlib.ticker import MaxNLocator

from .. import log, task
from ..artifacts.runs import Run
from ..config import checks
from ..errors import InputError
from . import events, selection, style
from .events import IN_A_ROW, Event

THRESHOLD = 1e-3  # of a mean squared error, as published
TOP, ZOOM = 0.4, 0.025  # ends of the loss axes of LANL's figures
_ZOOMED = "#EEEEEE"
_LEGEND = 15  # runs that it names
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """A run's mean loss per epoch on train and on validation, (epochs,) each, and when it came under the threshold."""

    run: Run
    train: Floats
    val: Floats
    event: Event

    @classmethod
    def of(cls, run: Run, threshold: float) -> History:
        """Reads a run's log; raises InputError where it is damaged or holds no whole epoch."""
        if run.done:
            run.require_whole("log")
        rows = log.read(run.files.log)[1]
        full = [row for row in rows if row["split"] == "val_full"]
        if not full:
            raise InputError(f"{run.files.log} holds no whole epoch yet; train on")
        train = _means(row for row in rows if row["split"] == "train")
        val = [float(row["loss"]) for row in full]
        return cls(run, np.array([train[row["epoch"]] for row in full]), np.array(val), events.time_to(val, threshold))

    @property
    def group(self) -> str:
        """What is compared: the model and its size."""
        config = self.run.config
        return selection.run_title(config).removesuffix(f" on {selection.dataset_title(config.dataset)}")


def _means(rows: Iterable[dict[str, Any]]) -> dict[int, float]:
    """The mean loss over the examples of each epoch."""
    sums: dict[int, tuple[float, int]] = {}
    for row in rows:
        loss, examples = sums.get(row["epoch"], (0.0, 0))
        sums[row["epoch"]] = (loss + row["loss"] * row["examples"], examples + row["examples"])
    return {epoch: loss / examples for epoch, (loss, examples) in sums.items()}


def draw(
    runs: list[Run], folder: Path, *, threshold: float | None, top: float | None, zoom: float | None
) -> list[Path]:
    """A figure of histories for each model, one for all models together, and one of the time to the threshold.

    `top` and `zoom` end the loss axes above and below. Returns the files, `history_<model>_<dataset>` and
    `event_<dataset>`. Raises InputError for a classification without a threshold, and for a damaged log.
    """
    config = runs[0].config
    if threshold is None and task.of(config.task) is task.classes:
        raise InputError(
            f"{config.dataset} is classified; say which loss is to be reached with --threshold, such as 0.5"
        )
    threshold = THRESHOLD if threshold is None else threshold
    histories = [History.of(run, threshold) for run in runs]
    ends = _ends(histories, threshold, top, zoom)
    dataset, paths = checks.file_part(config.dataset), []
    architectures = selection.architectures(runs)
    for name, members in architectures.items():
        own = [each for each in histories if each.run in members]
        paths += _saved(own, threshold, ends, folder / f"history_{name}_{dataset}")
    if len(architectures) > 1:
        paths += _saved(histories, threshold, ends, folder / f"history_all_{dataset}")
    with style.house_style():
        figure = _event_figure(histories, threshold)
    return paths + style.save(figure, folder / f"event_{dataset}")


def _saved(histories: list[History], threshold: float, ends: tuple[float, float], stem: Path) -> list[Path]:
    with style.house_style():
        figure = _history_figure(histories, threshold, ends)
    return style.save(figure, stem)


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


def _history_figure(histories: list[History], threshold: float, ends: tuple[float, float]) -> Figure:
    """Train to the left and validation to the right, whole above and zoomed below on grey."""
    compared = groups(histories)
    dataset = selection.dataset_title(histories[0].run.config.dataset)
    alone = f"{next(iter(compared))} on {dataset}: loss per epoch"
    title = alone if len(compared) == 1 else f"Loss per epoch on {dataset}"
    figure = style.blank(title, width=12, height=8.5)
    panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(2, 1))
    colours = _colours(histories, compared)
    for column, split in enumerate(("train", "val")):
        for row, end in enumerate(ends):
            axes = panels[row][column]
            for history, colour in zip(histories, colours, strict=True):
                _draw_history(axes, history, split, colour)
            axes.axhline(threshold, color=style.GREY, linestyle=":", linewidth=1.8)
            axes.set_ylim(0, end)
        panels[0][column].set_title("training" if split == "train" else "validation", loc="left")
        panels[1][column].set_facecolor(_ZOOMED)
        panels[1][column].set_xlabel("epoch")
        panels[1][column].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    learned = task.of(histories[0].run.config.task)
    kind = learned.loss_name if learned is task.values else f"{learned.loss_name} ({learned.loss_unit})"
    for row, axes in enumerate(panels[:, 0]):
        axes.set_ylabel(kind if not row else "zoom")
    _legend(panels[0][1], histories, compared, colours, threshold)
    style.facts_below(figure, _facts(histories, threshold, ends))
    return figure


def _colours(histories: Sequence[History], compared: dict[str, list[History]]) -> list[str]:
    """One of plasma's for each run of one model; one of the house's for each model of several."""
    if len(compared) == 1:
        places = np.linspace(0, 0.9, len(histories))
        return [to_hex(colormaps["plasma"](place)) for place in places]
    names = list(compared)
    return [style.COLOURS[names.index(history.group) % len(style.COLOURS)] for history in histories]


def _draw_history(axes: Axes, history: History, split: str, colour: str) -> None:
    """The curve up to the event; a point where it came, a bar across the end where it did not."""
    end = history.event.epoch
    losses = getattr(history, split)[:end]
    axes.plot(np.arange(1, end + 1), losses, color=colour, linewidth=1.6)
    marker = "o" if history.event.reached else "|"
    axes.plot([end], losses[-1:], marker=marker, color=colour, markersize=6, clip_on=True)


def _legend(
    axes: Axes, histories: Sequence[History], compared: dict[str, list[History]],
    colours: Sequence[str], threshold: float,
) -> None:  # fmt: skip
    """Seeds where one model is drawn, else models; the threshold."""
    names = (
        [f"seed {history.run.config.seed}" for history in histories]
        if len(compared) == 1
        else [history.group for history in histories]
    )
    shown = dict(zip(names, colours, strict=True))
    for name, colour in list(shown.items())[:_LEGEND]:
        axes.plot([], [], color=colour, label=name)
    axes.plot([], [], color=style.GREY, linestyle=":", label=f"threshold {threshold:g}")
    axes.legend(loc="upper right", fontsize=10.5, ncols=2 if len(shown) > 6 else 1)


def _facts(histories: Sequence[History], threshold: float, ends: tuple[float, float]) -> list[str]:
    reached = sum(history.event.reached for history in histories)
    above = sum(float(history.val.max()) > ends[0] or float(history.train.max()) > ends[0] for history in histories)
    return [
        f"{len(histories)} run{'s' if len(histories) > 1 else ''}, a curve each;",
        f"curves end at the event, the third of the first {IN_A_ROW} consecutive",
        f"epochs with a validation loss below {threshold:g} (points; {reached} of {len(histories)} runs), else at the",
        f"last epoch (bars). {selection.seeds(history.run for history in histories)}.",
        f"{above} curves leave the upper axes." if above else "",
        selection.warning(history.run for history in histories),
    ]


def _event_figure(histories: list[History], threshold: float) -> Figure:
    """The likelihood over epochs that a run has come under the threshold, by both estimators, for each model."""
    dataset = selection.dataset_title(histories[0].run.config.dataset)
    figure = style.blank(f"Time to a validation loss below {threshold:g} on {dataset}")
    axes = figure.subplots()
    last = max(len(history.val) for history in histories)
    facts = []
    for place, (name, members) in enumerate(groups(histories).items()):
        found = [history.event for history in members]
        facts.append(_draw_likelihoods(axes, name, found, place, last))
    for level in (0.5, 1.0):
        axes.axhline(level, color=style.GREY, linestyle=":", linewidth=1.2)
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("epoch")
    axes.set_ylabel("likelihood of the event by then")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    style.legend_above(figure, axes)
    style.facts_below(figure, [
        f"Event: the third of the first {IN_A_ROW} consecutive epochs below the threshold; runs without it are",
        "censored at their last epoch.", *facts, selection.warning(history.run for history in histories),
    ])  # fmt: skip
    return figure


def _draw_likelihoods(axes: Axes, name: str, found: list[Event], place: int, last: int) -> str:
    """Both curves of a model; returns what the small print says of it."""
    colour, reached = style.COLOURS[place % len(style.COLOURS)], sum(event.reached for event in found)
    curves = {"Kaplan-Meier": (events.kaplan_meier(found), "-."), "Nelson-Aalen": (events.nelson_aalen(found), "--")}
    for estimator, (curve, dashes) in curves.items():
        epochs = np.concatenate([[0], curve.epochs, [last]])
        values = np.concatenate([[0], curve.values, curve.values[-1:]])
        axes.step(epochs, values, where="post", color=colour, linestyle=dashes, label=f"{name}, {estimator}")
    middle = events.median(curves["Kaplan-Meier"][0])
    half = f"half of them by epoch {middle:,.0f}" if middle is not None else "under half of them by the end"
    return f"{name}: {reached} of {len(found)} runs, {half}."
