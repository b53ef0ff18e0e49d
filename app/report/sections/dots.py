"""The figure of a verdict: every run a dot, each model's mean, and each difference with its interval and margin."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ...results import wording
from ...results.comparison import Comparison, Pair
from ...results.metrics import Metric
from .. import style
from ..canvas import Canvas
from ..document import svg
from ..document.parts import Figure, Number, Table, Text
from . import amounts, pairs
from .subject import Answer

_ROW, _FRAME = 0.36, 0.62  # inches: of a model or pair, and of an axis with its label
_LETTERS = 24  # of a label, in one line
_PAIRS = 12  # drawn at most


def figure(answer: Answer) -> Figure:
    """Return the figure of one dataset with its numbers."""
    comparison = answer.comparison
    assert comparison, "the figure is of a comparison"
    canvas = Canvas(width=svg.WIDTH, caption=False)
    drawing = draw(comparison, canvas)
    return Figure(
        key=f"dots-{answer.key}", title=f"Results of every run on {answer.title}", description=_described(comparison),
        caption=_caption(comparison), svg=svg.drawn(drawing, canvas), tables=tuple(_tables(answer)),
    )  # fmt: skip


def draw(comparison: Comparison, canvas: Canvas) -> Drawing:
    """Return the drawing on a canvas: results above, differences with their intervals below."""
    drawn = [pair for pair in comparison.pairs if pair.word != "identical"][:_PAIRS]
    rows = [len(comparison.arms), len(drawn)] if drawn else [len(comparison.arms)]
    heights = [height(count, canvas) for count in rows]
    with style.house_style(canvas):
        drawing = Drawing(figsize=(canvas.inches, sum(heights)), dpi=canvas.dpi)
        panels = drawing.subplots(len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        _results(panels[0], comparison, canvas)
        if drawn:
            differences(panels[1], comparison.metric, drawn, [f"{pair.a} - {pair.b}" for pair in drawn], canvas)
        drawing.draw_without_rendering()
    return drawing


def _results(axes: Axes, comparison: Comparison, canvas: Canvas) -> None:
    """Draw the runs of each model as open dots, and their mean."""
    scale, metric = canvas.scale, comparison.metric
    for place, arm in enumerate(comparison.arms):
        look = style.look(place)
        options: dict[str, Any] = {"color": look["color"], "linestyle": "none"}
        values = [metric.scale * value for value in arm.results]
        axes.plot(values, [place] * len(values), marker="o", fillstyle="none", markersize=7 * scale, **options)
        if len(values) > 1:
            axes.plot([metric.scale * arm.mean], [place], marker=look["marker"], markersize=8 * scale, **options)
            axes.plot(
                [metric.scale * arm.mean] * 2, [place - 0.3, place + 0.3], color=look["color"], linewidth=1.6 * scale
            )
    _rows(axes, [arm.title for arm in comparison.arms])
    axes.margins(x=0.06)
    axes.set_xlabel(f"{metric.title} (%)" if metric.rate else metric.title)
    _bare(axes)


def differences(axes: Axes, metric: Metric, drawn: Sequence[Pair], names: list[str], canvas: Canvas) -> None:
    """Draw each difference by one metric with its interval, the margin as a band, and zero."""
    scale = canvas.scale
    delta = next((pair.delta for pair in drawn if pair.delta), None)
    if delta:
        axes.axvspan(-metric.scale * delta, metric.scale * delta, color="#DDDDDD", alpha=0.6, linewidth=0)
    axes.axvline(0, color=style.GREY, linewidth=1.2 * scale, linestyle="--")
    for place, pair in enumerate(drawn):
        value = metric.scale * pair.difference
        if pair.interval:
            ends = [metric.scale * end for end in pair.interval]
            axes.plot(ends, [place] * 2, color="#000000", linewidth=2 * scale, marker="|", markersize=9 * scale)
        axes.plot([value], [place], color="#000000", marker="D", markersize=6.5 * scale, linestyle="none")
    _rows(axes, names)
    axes.margins(x=0.06)
    unit = f" ({metric.unit})" if metric.unit else ""
    axes.set_xlabel(f"difference{unit}, first is better above 0")
    _bare(axes)


def height(rows: float, canvas: Canvas) -> float:
    """Return the height of a panel with so many rows, in inches."""
    return max(canvas.points(10) / 10, 0.8) * _ROW * (rows + 0.4) + _FRAME


def _bare(panel: Axes) -> None:
    panel.grid(visible=False, axis="y")
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)


def _rows(axes: Axes, names: list[str]) -> None:
    """Label the rows of a panel, the first at the top."""
    lines = [textwrap.fill(style.legible(name), _LETTERS, break_on_hyphens=False) for name in names]
    axes.set_yticks(range(len(names)), lines)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _described(comparison: Comparison) -> str:
    arms = ", ".join(arm.title for arm in comparison.arms)
    text = f"Dot plot of {comparison.metric.title} of every run of {arms}"
    return (
        f"{text}, above the differences of {len(comparison.pairs)} pairs with their intervals."
        if comparison.pairs
        else f"{text}."
    )


def _caption(comparison: Comparison) -> Text:
    """Return what dots, marks, lines and the band are."""
    delta = next((pair.delta for pair in comparison.pairs if pair.delta), None)
    every = "repeat of the cross-validation" if any(pair.procedure == "folds" for pair in comparison.pairs) else "run"
    level = f"{100 * comparison.pairs[0].verdict.level:.4g}" if comparison.pairs else "95"
    several = "simultaneous " if comparison.family > 1 else ""
    band = f" The grey band is the margin, {wording.margin(comparison.metric, delta)}." if delta else ""
    return (
        f"Above, an open dot is one {every} and a filled mark is the mean. Below, a diamond is the difference of two "
        f"means, and its line is the {several}{level} % interval.{band}",
    )  # fmt: skip


def _tables(answer: Answer) -> list[Table]:
    """Return the results of every run and of every model, and the differences."""
    comparison = answer.comparison
    assert comparison, "the figure is of a comparison"
    return [_of_arms(answer, comparison), pairs.table(answer, " The numbers of the figure.")]


def _of_arms(answer: Answer, comparison: Comparison) -> Table:
    metric, rows = comparison.metric, []
    for arm in comparison.arms:
        places = places_of(comparison)
        each = [
            amounts.computed(wording.number(metric, value, places + 1), value, runs, metric.name)
            for runs, value in zip(_runs_of(arm.run_ids, len(arm.results)), arm.results, strict=True)
        ]
        rows.append(
            ((arm.title,), _listed(each), (amounts.mean(arm, comparison, places),), amounts.sd(arm, comparison, places))
        )
    return Table(
        caption=f"{metric.title[:1].upper()}{metric.title[1:]}{' in percent' if metric.rate else ''} of every run on "
        f"{answer.title}",
        heads=("model", "runs", "mean", "sd of a run"), rows=tuple(rows), right=frozenset({2, 3}),
    )  # fmt: skip


def places_of(comparison: Comparison) -> int:
    """Return the decimals of the results of a comparison: those of its narrowest interval, at least one."""
    found = [wording.decimals_of(comparison.metric, pair.interval, pair.difference) for pair in comparison.pairs]
    return max([*found, 2 if comparison.metric.rate else 4])


def _runs_of(run_ids: tuple[str, ...], results: int) -> list[tuple[str, ...]]:
    """Return the runs of each result: one, or those of a repeat's folds."""
    each = len(run_ids) // results
    return [run_ids[place * each : (place + 1) * each] for place in range(results)]


def _listed(numbers: list[Number]) -> Text:
    return tuple(part for number in numbers for part in (", ", number))[1:]
