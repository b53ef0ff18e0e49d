"""The forest plot of a study with several datasets: one interval per dataset and pair of models, and no average."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ...results import wording
from ...results.comparison import Comparison, Pair
from ...results.family import Family
from .. import style
from ..canvas import Canvas
from ..document import svg
from ..document.parts import Block, Bullets, Figure, Paragraph, Table, Text
from . import amounts, dots, pairs
from .subject import Answer, Subject, compared

Row = tuple[Answer, Comparison, Pair]
_LETTERS = 24  # of a label's line


def blocks(subject: Subject) -> Iterator[Block]:
    """Yield the remark on several datasets, the forest plot, and on how many datasets each model is ahead."""
    yield Paragraph(("Each dataset is a separate question with a separate verdict. Results are not averaged.",))
    found = rows(subject)
    if len({answer.dataset for answer, *_ in found}) < 2:
        return
    yield figure(found)
    comparisons = tuple(answer.comparison for answer in subject.answers if answer.comparison)
    if signs := Family(comparisons=comparisons).signs:
        yield Bullets(tuple((f"{each.line}.",) for each in signs))


def figure(found: Sequence[Row]) -> Figure:
    """Return the forest plot with its numbers."""
    canvas = Canvas(width=svg.WIDTH, caption=False)
    level = 100 * found[0][2].verdict.level
    return Figure(
        key="forest", title="Differences on every dataset",
        description=f"Forest plot of {len(found)} differences with their intervals, one row per dataset and pair.",
        caption=(
            f"A diamond is the difference of two models on one dataset. Its line is the {level:.4g} % interval, "
            f"simultaneous for all {len(found)} pairs. The grey band is the margin. Datasets are not averaged.",
        ),
        svg=svg.drawn(draw(found, canvas), canvas), tables=(_table(found),),
    )  # fmt: skip


def draw(found: Sequence[Row], canvas: Canvas) -> Drawing:
    """Return the drawing on a canvas: one panel per metric, since each has its unit."""
    metrics = list(dict.fromkeys(comparison.metric for _, comparison, _ in found))
    parts = [[row for row in found if row[1].metric == metric] for metric in metrics]
    heights = [_height(part, canvas) for part in parts]
    with style.house_style(canvas):
        drawing = Drawing(figsize=(canvas.inches, sum(heights)), dpi=canvas.dpi)
        panels = drawing.subplots(len(parts), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for panel, part in zip(panels, parts, strict=True):
            _panel(panel, part, canvas)
        drawing.draw_without_rendering()
    return drawing


def _panel(axes: Axes, found: Sequence[Row], canvas: Canvas) -> None:
    """Draw the differences by one metric. Rows of one pair are named by their dataset, and the title has the pair."""
    metric = found[0][1].metric
    dots.differences(axes, metric, [pair for *_, pair in found], _labels(found), canvas)
    names = [] if len(_pairs(found)) > 1 else [textwrap.fill(style.legible(_pairs(found)[0]), 2 * _LETTERS)]
    axes.set_title("\n".join([metric.title, *names]), loc="left", fontsize=canvas.points(10))
    axes.locator_params(axis="x", nbins=5)


def _labels(found: Sequence[Row]) -> list[str]:
    """Return the dataset of each row, with its pair if the rows have several pairs."""
    several = len(_pairs(found)) > 1
    return [answer.title + (f": {pair.a} - {pair.b}" if several else "") for answer, _, pair in found]


def _pairs(found: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(f"{pair.a} - {pair.b}" for *_, pair in found))


def _height(found: Sequence[Row], canvas: Canvas) -> float:
    """Return the height of a panel in inches, with the lines of its labels and of its title."""
    return dots.height(sum(max(1.0, len(label) / _LETTERS) for label in _labels(found)) + 1.5, canvas)


def rows(subject: Subject) -> list[Row]:
    """Return every pair of every dataset that is compared."""
    return [
        (answer, answer.comparison, pair)
        for answer in subject.answers if answer.comparison for pair in answer.comparison.pairs
    ]  # fmt: skip


def _table(found: Sequence[Row]) -> Table:
    """Return the numbers of the figure."""
    return Table(
        caption="Differences on every dataset. A difference is positive where the first model is better.",
        heads=("dataset", "pair", "metric", "difference", "interval", "p (Holm)", "verdict"),
        rows=tuple(_cells(*row) for row in found), right=frozenset({3, 4, 5}),
    )  # fmt: skip


def _cells(answer: Answer, comparison: Comparison, pair: Pair) -> tuple[Text, ...]:
    metric, runs, path = comparison.metric, compared(answer.of(pair)), pairs.path(pair, comparison.metric)
    places = wording.decimals_of(metric, pair.interval, pair.difference)
    shown = wording.amount(metric, pair.difference, places)
    ends, tested = amounts.NONE, amounts.NONE
    if pair.interval:
        ends = amounts.interval(metric, pair.interval, places, runs, f"{path}.interval")
    if pair.verdict.p is not None:
        tested = (amounts.computed(amounts.p_value(pair.verdict.p), pair.verdict.p, runs, f"{path}.p"),)
    difference = amounts.computed(shown, pair.difference, runs, f"{path}.difference")
    return (
        (answer.title,), (f"{pair.a} against {pair.b}",), (metric.title,), (difference,), ends, tested, (pair.word,),
    )  # fmt: skip
