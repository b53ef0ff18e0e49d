"""Loss per batch: faint points for single batches, a smoothed line over them, one figure per architecture and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from .. import log, task
from ..artifacts.runs import Run
from ..config import checks
from ..config.run import RunConfig
from ..errors import InputError
from . import selection, style
from .canvas import CANVAS, Canvas

Floats = npt.NDArray[np.float64]
_SPLITS = {"train": "training", "val": "validation"}
_SETTLED = 0.05  # of the batches: what comes before may leave the frame
_PANEL = 4.55  # inches of height at the usual width
_LOG_RATIO = 20  # a loss that falls by more is read on a logarithmic axis


@dataclass(frozen=True)
class Curve:
    """One run's loss on one split, a value per batch: steps, losses and the smoothed line, all (batches,)."""

    steps: Floats
    losses: Floats
    line: Floats
    window: int  # batches
    per_epoch: int  # batches
    examples: int  # of a full batch

    @classmethod
    def of(cls, run: Run, rows: list[dict[str, Any]], split: str) -> Curve:
        """Reads the rows of a run's log; raises InputError where none is of that split."""
        found = [row for row in rows if row["split"] == split]
        if not found:
            raise InputError(f"{run.files.log} has no {split} row yet. Train for at least one batch")
        per_epoch = sum(row["epoch"] == found[0]["epoch"] for row in found)
        window = window_for(per_epoch * run.config.epochs)
        losses = np.array([row["loss"] for row in found], float)
        steps = np.array([row["step"] for row in found], float)
        examples = max(row["examples"] for row in found)
        return cls(steps, losses, smoothed(losses, window), window, per_epoch, examples)


@dataclass(frozen=True)
class Frame:
    """Limits of the axes that several curves share."""

    right: float
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Frame:
        """Axes in which the start and the end of every curve can be read.

        A start far above all that follows is cut, and the figure says so; a loss that falls more than twentyfold is
        drawn on a logarithmic axis.
        """
        right = max(float(curve.steps[-1]) for curve in curves)
        low, high = _settled(curves)
        start = max(float(curve.line.max()) for curve in curves)
        lowest = min(float(curve.line.min()) for curve in curves)
        if lowest > 0 and high / lowest > _LOG_RATIO:
            return cls(right, lowest / 1.5, start * 1.2, logarithmic=True)
        room = max(high - low, 0.02 * abs(high), 1e-6)
        points = np.concatenate([curve.losses for curve in curves])
        for top, share in ((start, 2.0), (float(points.max()), 0.6)):
            high = max(high, top) if top <= high + share * room else high
        low = max(float(points.min()), low - 0.2 * room)
        return cls(right, low - 0.04 * room, high + 0.06 * room, logarithmic=False)


def draw(runs: list[Run], folder: Path, *, canvas: Canvas = CANVAS) -> list[Path]:
    """Two figures per architecture, training and validation loss, for runs that belong together.

    Figures of one split share their axes, so that architectures can be held side by side. Returns the files,
    `loss_<split>_<architecture>_<dataset>.png` and `.svg`. Raises InputError where a run's log cannot be read.
    """
    rows = {run.files: _rows(run) for run in runs}
    order = selection.sizes(runs)
    paths = []
    for split in _SPLITS:
        curves = {run.files: Curve.of(run, rows[run.files], split) for run in runs}
        frame = Frame.of(list(curves.values()))
        for name, members in selection.architectures(runs).items():
            drawn = [(run, curves[run.files], order.index(run.config.size)) for run in members]
            with style.house_style(canvas):
                figure = _by_size(drawn, split, frame, canvas)
            dataset = checks.file_part(members[0].config.dataset)
            paths += style.save(figure, folder / f"loss_{split}_{name}_{dataset}", canvas)
    return paths


def _rows(run: Run) -> list[dict[str, Any]]:
    """The rows of a run's log; raises InputError where it is damaged."""
    if run.done:
        run.require_whole("log")
    return log.read(run.files.log)[1]


def draw_run(run: Run) -> list[Path]:
    """One run's training and validation loss in one figure, beside its other files. Raises InputError as `draw`."""
    rows, config = _rows(run), run.config
    curves = {split: Curve.of(run, rows, split) for split in _SPLITS}
    frame = Frame.of(list(curves.values()))
    with style.house_style():
        figure = style.blank(f"{selection.run_title(config)}: loss")
        axes = figure.subplots()
        for place, curve in enumerate(curves.values()):
            _draw_points(axes, curve, place)
        for place, (split, curve) in enumerate(curves.items()):
            _draw_line(axes, curve, place, f"{_SPLITS[split]}, batches of {curve.examples:,}")
        _draw_epochs(axes, [row for row in rows if row["split"] == "val_full"], drawn=config.val_batches is not None)
        _finish(axes, frame, curves["train"].per_epoch, config, CANVAS)
        dropout = (
            f"The training loss is measured with dropout {config.dropout:g}, the validation loss without."
            if config.dropout
            else ""
        )
        style.caption(figure, CANVAS, [*_facts([run], list(curves.values()), frame), dropout])
        style.fit(figure, [axes], _PANEL)
    return style.save(figure, run.files.loss_png.with_suffix(""))


def window_for(batches: int) -> int:
    """Batches that a smoothed value stands for: 2 % of the run, odd, at least 5."""
    return max(5, round(batches * 0.02) // 2 * 2 + 1)


def smoothed(losses: Floats, window: int) -> Floats:
    """Centred mean over `window` batches; nearer to an end, the straight line fitted to the window at that end.

    (Savitzky and Golay 1964, order 1: a line stays a line up to its ends, as no shortened or padded mean keeps it.)
    """
    from scipy.signal import savgol_filter

    fitting = min(window, len(losses) - 1 + len(losses) % 2)
    return losses if fitting < 3 else np.asarray(savgol_filter(losses, fitting, 1, mode="interp"))


def _settled(curves: Sequence[Curve]) -> tuple[float, float]:
    """Lowest and highest of lines and of nearly all points, the first batches left aside."""
    parts = []
    for curve in curves:
        first = int(len(curve.steps) * _SETTLED)
        parts += [curve.line[first:], np.percentile(curve.losses[first:], 0.5, method="lower")]
        parts += [np.percentile(curve.losses[first:], 99.5, method="higher")]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def _by_size(drawn: list[tuple[Run, Curve, int]], split: str, frame: Frame, canvas: Canvas) -> Figure:
    """The figure of one architecture and split: a curve per size."""
    runs, curves = [run for run, _, _ in drawn], [curve for _, curve, _ in drawn]
    config = runs[0].config
    title = f"{selection.model_title(config)} on {selection.dataset_title(config.dataset)}: {_SPLITS[split]} loss"
    figure = style.blank(title, canvas)
    axes = figure.subplots()
    for _, curve, place in drawn:
        _draw_points(axes, curve, place, canvas)
    for run, curve, place in drawn:
        count = f"{run.record.parameters.total / 1e6:.2f} M parameters"
        _draw_line(axes, curve, place, f"{run.config.size}: {count}{'' if run.done else ' (not finished)'}")
    _finish(axes, frame, curves[0].per_epoch, config, canvas)
    style.caption(figure, canvas, _facts(runs, curves, frame))
    style.fit(figure, [axes], _PANEL * canvas.shrunk)
    return figure


def _draw_points(axes: Axes, curve: Curve, place: int, canvas: Canvas = CANVAS) -> None:
    size = canvas.scale * float(np.clip(160 / len(curve.steps) ** 0.5, 2.5, 9))
    options: dict[str, Any] = {"markersize": size, "markeredgewidth": 0, "alpha": 0.35, "rasterized": True}
    axes.plot(curve.steps, curve.losses, ".", color=style.look(place)["color"], **options)


def _draw_line(axes: Axes, curve: Curve, place: int, text: str) -> None:
    text = f"{text}, ends at {curve.line[-1]:#.3g}"
    axes.plot(curve.steps, curve.line, label=text, markevery=(0.05 + 0.03 * place, 0.15), **style.look(place))


def _draw_epochs(axes: Axes, rows: list[dict[str, Any]], *, drawn: bool) -> None:
    """The whole validation split at each epoch's end, or what was drawn of it; the lowest loss told."""
    if rows:
        best = min(rows, key=lambda row: row["loss"])
        seen = f"{best['examples']:,} at random" if drawn else f"all {best['examples']:,}"
        text = f"validation, {seen}, lowest {best['loss']:#.3g} after epoch {best['epoch']}"
        steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
        axes.plot(
            steps, losses, label=text, color="black", linestyle="none", marker="o", markersize=4.5, fillstyle="none"
        )


def _finish(axes: Axes, frame: Frame, per_epoch: int, config: RunConfig, canvas: Canvas) -> None:
    """Limits, labels and legend; the loss of a uniform guess where it lies in the frame."""
    if frame.logarithmic:
        style.plain_log(axes, "y", frame.low, frame.high, most=8 if canvas.narrow else 16)
    else:
        axes.set_ylim(frame.low, frame.high)
    guess = task.of(config.task).guess_loss(config.classes)
    if guess is not None and frame.low < guess < frame.high:
        text = f"uniform guess, ln {config.classes} = {guess:.2f}"
        axes.axhline(guess, color=style.GREY, linestyle=":", linewidth=1.5 * canvas.scale, label=text)
    axes.set_xlim(0, frame.right * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(4 if canvas.narrow else 6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel(f"batch ({per_epoch:,} per epoch)")
    axes.set_ylabel(selection.loss_title(config))
    style.legend_above(axes, canvas)


def _is_weighed(config: RunConfig) -> bool:
    return config.class_weights != "none"


def _facts(runs: list[Run], curves: list[Curve], frame: Frame) -> list[str]:
    """The small print: examples, batches, seeds, smoothing, and what the frame cuts off."""
    config, rows, kind = runs[0].config, runs[0].record.data.rows, selection.examples(runs)
    losses = np.concatenate([curve.losses for curve in curves])
    out = losses[(losses < frame.low) | (losses > frame.high)]
    reach = f"{out.min():.3g} to {out.max():.3g}" if len(out) > 1 else f"{out.max():.3g}" if len(out) else ""
    batches = " or ".join(f"{count:,}" for count in sorted({curve.examples for curve in curves}))
    return [
        f"n = {rows.train:,} training and {rows.val:,} validation {kind}, training batch size {config.batch_size},",
        f"{selection.seeds(runs)}. Points show single batches of {batches} {kind}.",
        f"Lines show the centred mean over {curves[0].window} batches, with a straight-line fit at both ends.",
        "The training loss is weighted by class (balanced), the validation loss is not." if _is_weighed(config) else "",
        f"{len(out):,} of {len(losses):,} points are outside the axes ({reach})." if reach else "",
        selection.warning(runs),
    ]
