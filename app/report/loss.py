"""Loss per batch: faint points for single batches, a smoothed line per run, one figure per architecture and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from .. import task
from ..artifacts.runs import Run
from ..config import checks
from . import selection, style
from .batches import SPLITS, Curve, Frame, each_of, rows_of
from .canvas import CANVAS, Canvas

_PANEL = 4.55  # inches of height at the usual width
_OF_EPOCHS = (("val_full", "validation", "o"), ("val_ema", "validation of the averaged weights", "^"))
_THIN = 0.5  # of the usual line and marker, for each of several seeds


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


def draw(runs: list[Run], folder: Path, *, canvas: Canvas = CANVAS) -> list[Path]:
    """Draw two figures per architecture, training and validation loss, for runs that belong together.

    Figures of one split share their axes, so that architectures can be compared side by side. Returns the files,
    `loss_<split>_<architecture>_<dataset>.png` and `.svg`. Raises InputError if a run's log cannot be read.
    """
    rows = {run.files: rows_of(run) for run in runs}
    kinds = selection.kinds(runs)
    paths = []
    for split in SPLITS:
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


def draw_run(run: Run) -> list[Path]:
    """Draw one run's training and validation loss in one figure, next to its other files.

    Raises InputError as `draw`.
    """
    rows, config = rows_of(run), run.config
    curves = {split: Curve.of(run, rows, split) for split in SPLITS}
    frame = Frame.of(list(curves.values()))
    with style.house_style():
        figure = style.blank(f"{selection.run_title(config)}: loss")
        axes = figure.subplots()
        for place, curve in enumerate(curves.values()):
            _draw_points(axes, curve, place)
        for place, (split, curve) in enumerate(curves.items()):
            text = f"{SPLITS[split]}, batches of {curve.examples:,}, ends at {curve.line[-1]:#.3g}"
            _draw_line(axes, curve, place, text)
        for split, of, marker in _OF_EPOCHS:
            found = [row for row in rows if row["split"] == split]
            _draw_epochs(axes, found, of, marker, drawn=config.val_batches is not None)
        _finish(axes, frame, [curves["train"]], [run], CANVAS)
        dropout = (
            f"The training loss is measured with dropout {config.dropout:g}, the validation loss without."
            if config.dropout
            else ""
        )
        style.caption(figure, CANVAS, [*_facts([run], list(curves.values()), frame), dropout])
        style.fit(figure, [axes], _PANEL)
    return style.save(figure, run.files.loss_png.with_suffix(""))


def _by_size(drawn: list[Kind], split: str, frame: Frame, canvas: Canvas) -> Figure:
    """Return the figure of one architecture and split: a colour per size, and a line per seed."""
    runs, curves = map(list, zip(*(member for kind in drawn for member in kind.members), strict=True))
    config = runs[0].config
    title = f"{selection.model_title(config)} on {selection.dataset_title(config.dataset)}: {SPLITS[split]} loss"
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


def _draw_epochs(axes: Axes, rows: list[dict[str, Any]], of: str, marker: str, *, drawn: bool) -> None:
    """Draw and label the loss `of` each epoch's end, on the complete validation split or a random part of it.

    The lowest loss is reported.
    """
    if rows:
        best = min(rows, key=lambda row: row["loss"])
        seen = f"{best['examples']:,} at random" if drawn else f"all {best['examples']:,}"
        text = f"{of}, {seen}, lowest {best['loss']:#.3g} after epoch {best['epoch']}"
        steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
        axes.plot(
            steps, losses, label=text, color="black", linestyle="none", marker=marker, markersize=4.5, fillstyle="none"
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
    axes.set_xlabel(f"batch ({each_of(curve.per_epoch for curve in curves)} per epoch)")
    axes.set_ylabel(selection.loss_title(config))
    style.legend_above(axes, canvas)


def _facts(runs: list[Run], curves: Sequence[Curve], frame: Frame) -> list[str]:
    """Return the caption's sentences: n, seeds, smoothing, and what is outside the frame."""
    rows, kind = [run.record.data.rows for run in runs], selection.examples(runs)
    losses = np.concatenate([curve.losses for curve in curves])
    out = losses[(losses < frame.low) | (losses > frame.high)]
    reach = f"{out.min():.3g} to {out.max():.3g}" if len(out) > 1 else f"{out.max():.3g}" if len(out) else ""
    weighed = sorted({run.config.class_weights for run in runs} - {"none"})
    return [
        f"n = {each_of(each.train for each in rows)} training and {each_of(each.val for each in rows)} validation",
        f"{kind}, training batch size {each_of(run.config.batch_size for run in runs)},",
        f"{selection.seeds(runs)}. Points show single batches of {each_of(curve.examples for curve in curves)}",
        f"{kind}. Lines show the centred mean over {each_of(curve.window for curve in curves)} batches, with a",
        "straight-line fit at both ends.",
        f"The training loss is weighted by class ({weighed[0]}), the validation loss is not." if weighed else "",
        f"{len(out):,} of {len(losses):,} points are outside the axes ({reach})." if reach else "",
        selection.warning(runs),
    ]
