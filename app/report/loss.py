"""Loss per batch: faint points for single batches, a smoothed line per run, one figure per architecture and split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from ..errors import InputError
from . import selection, style
from .canvas import CANVAS, Canvas

Floats = npt.NDArray[np.float64]
_SPLITS = {"train": "training", "val": "validation"}
_SETTLED = 0.05  # share of the batches: earlier ones may leave the frame
_PANEL = 4.55  # inches of height at the usual width
_THIN = 0.5  # of the usual line and marker, for each of several seeds
_LOG_RATIO = 20  # a loss that falls by more is read on a logarithmic axis


@dataclass(frozen=True)
class Curve:
    """One run's loss on one split, one value per batch: steps, losses and the smoothed line, all (batches,)."""

    steps: Floats
    losses: Floats
    line: Floats
    window: int  # batches
    per_epoch: int  # batches
    examples: int  # of a full batch

    @classmethod
    def of(cls, run: Run, rows: list[dict[str, Any]], split: str) -> Curve:
        """Read the rows of a run's log. Raises InputError if none is of that split."""
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
class Kind:
    """The runs that differ only in their seed: their name, the place of their colour, and each run with its curve."""

    name: str
    place: int
    members: list[tuple[Run, Curve]]

    @property
    def label(self) -> str:
        """The text in the legend: size, parameters, seeds, and where the lines end."""
        runs, curves = [run for run, _ in self.members], [curve for _, curve in self.members]
        ends = sorted(float(curve.line[-1]) for curve in curves)
        seeds = f", {len(runs)} seeds" if len(runs) > 1 else ""
        end = f"ends at {ends[0]:#.3g}" if len(ends) == 1 else f"end at {ends[0]:#.3g} to {ends[-1]:#.3g}"
        unfinished = sum(not run.done for run in runs)
        count = f"{unfinished} of them not finished" if len(runs) > 1 else "not finished"
        return (
            f"{self.name}: {runs[0].record.parameters.total / 1e6:.2f} M parameters{seeds}"
            f"{f' ({count})' if unfinished else ''}, {end}"
        )


@dataclass(frozen=True)
class Frame:
    """Limits of the axes that several curves share."""

    right: float
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Frame:
        """Return axes in which the start and the end of every curve can be read.

        A start far above all later losses is cut, and the figure reports that. A loss that falls more than twentyfold
        is drawn on a logarithmic axis.
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
    """Draw two figures per architecture, training and validation loss, for runs that belong together.

    Figures of one split share their axes, so that architectures can be compared side by side. Returns the files,
    `loss_<split>_<architecture>_<dataset>.png` and `.svg`. Raises InputError if a run's log cannot be read.
    """
    rows = {run.files: _rows(run) for run in runs}
    kinds = selection.kinds(runs)
    paths = []
    for split in _SPLITS:
        curves = {run.files: Curve.of(run, rows[run.files], split) for run in runs}
        frame = Frame.of(list(curves.values()))
        for name, members in selection.architectures(runs).items():
            own = {run.files for run in members}
            drawn = [
                Kind(label, place, [(run, curves[run.files]) for run in kind if run.files in own])
                for place, (label, kind) in enumerate(kinds.items())
            ]
            with style.house_style(canvas):
                figure = _by_size([kind for kind in drawn if kind.members], split, frame, canvas)
            dataset = checks.file_part(members[0].config.dataset)
            paths += style.save(figure, folder / f"loss_{split}_{name}_{dataset}", canvas)
    return paths


def _rows(run: Run) -> list[dict[str, Any]]:
    """Return the rows of a run's log. Raises InputError if it is damaged."""
    if run.done:
        run.require_whole("log")
    return log.read(run.files.log)[1]


def draw_run(run: Run) -> list[Path]:
    """Draw one run's training and validation loss in one figure, next to its other files.

    Raises InputError as `draw`.
    """
    rows, config = _rows(run), run.config
    curves = {split: Curve.of(run, rows, split) for split in _SPLITS}
    frame = Frame.of(list(curves.values()))
    with style.house_style():
        figure = style.blank(f"{selection.run_title(config)}: loss")
        axes = figure.subplots()
        for place, curve in enumerate(curves.values()):
            _draw_points(axes, curve, place)
        for place, (split, curve) in enumerate(curves.items()):
            text = f"{_SPLITS[split]}, batches of {curve.examples:,}, ends at {curve.line[-1]:#.3g}"
            _draw_line(axes, curve, place, text)
        _draw_epochs(axes, [row for row in rows if row["split"] == "val_full"], drawn=config.val_batches is not None)
        _finish(axes, frame, [curves["train"]], [run], CANVAS)
        dropout = (
            f"The training loss is measured with dropout {config.dropout:g}, the validation loss without."
            if config.dropout
            else ""
        )
        style.caption(figure, CANVAS, [*_facts([run], list(curves.values()), frame), dropout])
        style.fit(figure, [axes], _PANEL)
    return style.save(figure, run.files.loss_png.with_suffix(""))


def window_for(batches: int) -> int:
    """Return the number of batches in a smoothed value: 2 % of the run, odd, at least 5."""
    return max(5, round(batches * 0.02) // 2 * 2 + 1)


def smoothed(losses: Floats, window: int) -> Floats:
    """Return the centred mean over `window` batches.

    Near an end it is the straight line fitted to the window at that end. (Savitzky and Golay 1964, order 1: a line
    stays a line up to its ends, unlike with a shortened or padded mean.)
    """
    from scipy.signal import savgol_filter

    fitting = min(window, len(losses) - 1 + len(losses) % 2)
    return losses if fitting < 3 else np.asarray(savgol_filter(losses, fitting, 1, mode="interp"))


def _settled(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the lowest and highest value of lines and of nearly all points, without the first batches."""
    parts = []
    for curve in curves:
        first = int(len(curve.steps) * _SETTLED)
        parts += [curve.line[first:], np.percentile(curve.losses[first:], 0.5, method="lower")]
        parts += [np.percentile(curve.losses[first:], 99.5, method="higher")]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def _by_size(drawn: list[Kind], split: str, frame: Frame, canvas: Canvas) -> Figure:
    """Return the figure of one architecture and split: a colour per size, and a line per seed."""
    runs, curves = map(list, zip(*(member for kind in drawn for member in kind.members), strict=True))
    config = runs[0].config
    title = f"{selection.model_title(config)} on {selection.dataset_title(config.dataset)}: {_SPLITS[split]} loss"
    figure = style.blank(title, canvas)
    axes = figure.subplots()
    for kind in drawn:
        for _, curve in kind.members:
            _draw_points(axes, curve, kind.place, canvas)
    for kind in drawn:
        for at, (_, curve) in enumerate(kind.members):
            _draw_line(axes, curve, kind.place, "" if at else kind.label, thin=len(kind.members) > 1)
    _finish(axes, frame, curves, runs, canvas)
    several = max(len(kind.members) for kind in drawn) > 1
    seeds = "Each seed is a thin line in the colour of its size." if several else ""
    style.caption(figure, canvas, [*_facts(runs, curves, frame), seeds])
    style.fit(figure, [axes], _PANEL * canvas.shrunk)
    return figure


def _draw_points(axes: Axes, curve: Curve, place: int, canvas: Canvas = CANVAS) -> None:
    size = canvas.scale * float(np.clip(160 / len(curve.steps) ** 0.5, 2.5, 9))
    options: dict[str, Any] = {"markersize": size, "markeredgewidth": 0, "alpha": 0.35, "rasterized": True}
    axes.plot(curve.steps, curve.losses, ".", color=style.look(place)["color"], **options)


def _draw_line(axes: Axes, curve: Curve, place: int, text: str, *, thin: bool = False) -> None:
    """Draw a smoothed line. Without a text it has no entry in the legend."""
    marks = (0.05 + 0.03 * place, 0.15)
    (line,) = axes.plot(curve.steps, curve.line, label=text or None, markevery=marks, **style.look(place))
    if thin:
        line.set_linewidth(_THIN * line.get_linewidth())
        line.set_markersize(_THIN * line.get_markersize())


def _draw_epochs(axes: Axes, rows: list[dict[str, Any]], *, drawn: bool) -> None:
    """Draw and label the loss at each epoch's end, on the complete validation split or a random part of it.

    The lowest loss is reported.
    """
    if rows:
        best = min(rows, key=lambda row: row["loss"])
        seen = f"{best['examples']:,} at random" if drawn else f"all {best['examples']:,}"
        text = f"validation, {seen}, lowest {best['loss']:#.3g} after epoch {best['epoch']}"
        steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
        axes.plot(
            steps, losses, label=text, color="black", linestyle="none", marker="o", markersize=4.5, fillstyle="none"
        )


def _finish(axes: Axes, frame: Frame, curves: Sequence[Curve], runs: Sequence[Run], canvas: Canvas) -> None:
    """Set limits, labels and legend, and draw the loss of a uniform guess if it is in the frame."""
    if frame.logarithmic:
        style.plain_log(axes, "y", frame.low, frame.high, most=8 if canvas.narrow else 16)
    else:
        axes.set_ylim(frame.low, frame.high)
    config = runs[0].config
    guess = task.of(config.task).guess_loss(config.classes)
    alike = len({run.config.classes for run in runs}) == 1
    if guess is not None and alike and frame.low < guess < frame.high:
        text = f"uniform guess, ln {config.classes} = {guess:.2f}"
        axes.axhline(guess, color=style.GREY, linestyle=":", linewidth=1.5 * canvas.scale, label=text)
    axes.set_xlim(0, frame.right * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(4 if canvas.narrow else 6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel(f"batch ({_each(curve.per_epoch for curve in curves)} per epoch)")
    axes.set_ylabel(selection.loss_title(config))
    style.legend_above(axes, canvas)


def _each(counts: Iterable[int]) -> str:
    """Return the different numbers among counts: `44` or `44 or 88`."""
    return " or ".join(f"{count:,}" for count in sorted(set(counts)))


def _facts(runs: list[Run], curves: Sequence[Curve], frame: Frame) -> list[str]:
    """Return the caption's sentences: n, seeds, smoothing, and what is outside the frame."""
    rows, kind = [run.record.data.rows for run in runs], selection.examples(runs)
    losses = np.concatenate([curve.losses for curve in curves])
    out = losses[(losses < frame.low) | (losses > frame.high)]
    reach = f"{out.min():.3g} to {out.max():.3g}" if len(out) > 1 else f"{out.max():.3g}" if len(out) else ""
    weighed = sorted({run.config.class_weights for run in runs} - {"none"})
    return [
        f"n = {_each(each.train for each in rows)} training and {_each(each.val for each in rows)} validation {kind},",
        f"training batch size {_each(run.config.batch_size for run in runs)},",
        f"{selection.seeds(runs)}. Points show single batches of {_each(curve.examples for curve in curves)} {kind}.",
        f"Lines show the centred mean over {_each(curve.window for curve in curves)} batches, with a straight-line fit",
        "at both ends.",
        f"The training loss is weighted by class ({weighed[0]}), the validation loss is not." if weighed else "",
        f"{len(out):,} of {len(losses):,} points are outside the axes ({reach})." if reach else "",
        selection.warning(runs),
    ]
