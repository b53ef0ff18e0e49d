"""Test images that one architecture classifies correctly in most seeds and another one does not, both ways."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..config import checks
from ..results.per_class import shared_test
from . import inputs, selection, style
from .canvas import CANVAS, Canvas
from .growth import arm_of
from .scaling import tested
from .series import Series, of_sizes, pair_title, pairs, series_of

_COUNT, _COUNT_NARROW = 12, 6
_MOST = 0.5  # of the seeds: more than it are most
_COLUMNS, _COLUMNS_NARROW = 6, 3
_LETTERS, _HEAD, _HEAD_ROW = 9, 13, 2.2  # points of the texts and of a grid's title; height of its row, relative to it
_LETTER, _BOLD = 0.5, 0.7  # width of a letter and of a bold one relative to its size
_FLAT = 0.6  # height of a signal relative to its width

Classes = npt.NDArray[np.int64]
Inputs = Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Tests:
    """The tests of two series on the same examples: rows and labels (n,), and predicted classes (seeds, n) of each."""

    rows: npt.NDArray[np.int64]
    labels: Classes
    predicted: tuple[Classes, Classes]

    @classmethod
    def of(cls, one: Series, other: Series) -> Tests:
        """Read the predictions. Raises InputError as `per_class.shared_test`."""
        shared_test(arm_of(one), arm_of(other))
        found = [[_in_order(Predictions.load(run.files.predictions)) for run in each.runs] for each in (one, other)]
        first = found[0][0]
        predicted = tuple(np.stack([each.logits.argmax(1) for each in own]) for own in found)
        return cls(first.rows, first.labels, (predicted[0], predicted[1]))

    def shares(self, series: int) -> npt.NDArray[np.float64]:
        """Return the share of a series's seeds that are correct on each example: (n,)."""
        return np.asarray((self.predicted[series] == self.labels).mean(0))

    def only(self, series: int) -> Classes:
        """Return the examples that most seeds of a series get right, and most seeds of the other one get wrong.

        Those on which the shares of correct seeds differ most are first.
        """
        own, its = self.shares(series), self.shares(1 - series)
        found = np.flatnonzero((own > _MOST) & (its < _MOST))
        return found[np.argsort(its[found] - own[found], kind="stable")]

    def mistaken(self, series: int, example: int) -> list[tuple[int, int]]:
        """Return the wrong classes that a series predicts for an example, each with its runs, most runs first."""
        counts = Counter(self.predicted[series][:, example].tolist())
        return [(number, times) for number, times in counts.most_common() if number != int(self.labels[example])]


def draw(
    runs: list[Run],
    folder: Path,
    *,
    count: int | None = None,
    say: selection.Say | None = None,
    canvas: Canvas = CANVAS,
) -> list[Path]:
    """Draw a figure for each size at which an architecture can be compared with the first one.

    Returns the files, `disagreements_<architecture>_<first>_<size>_<dataset>`. Raises InputError without two
    architectures at one size, for a regression, for different test sets, and if the inputs are not in the cache.
    """
    paths = []
    for first, other in pairs(series_of(tested(runs, say))):
        found = Tests.of(other, first)
        made = figure((other, first), found, partial(inputs.of_rows, first.runs[0]), count, canvas)
        dataset = checks.file_part(first.runs[0].config.dataset)
        paths += style.save(
            made, folder / f"disagreements_{other.key}_{first.key}_{checks.file_part(other.size)}_{dataset}", canvas
        )
    return paths


def figure(
    pair: tuple[Series, Series], found: Tests, read: Inputs, count: int | None = None, canvas: Canvas = CANVAS
) -> Figure:
    """Return the figure: images that only the first series gets right, then those of the second one.

    There are up to `count` in each grid (default: 12, or 6 in a narrow figure). `read` returns the inputs of rows.
    """
    count = count or (_COUNT_NARROW if canvas.narrow else _COUNT)
    chosen = [found.only(at)[:count] for at in (0, 1)]
    held = [read(found.rows[each]) for each in chosen]
    columns = _COLUMNS_NARROW if canvas.narrow else _COLUMNS
    with style.house_style(canvas):
        names = f"{pair[0].architecture} and {pair[1].architecture}"
        made = style.blank(f"Disagreements on {pair_title(pair)}: {names}", canvas)
        titles = [_title(pair, found, at, canvas) for at in (0, 1)]
        heights = _heights(held, titles, columns, canvas)
        grid = made.add_gridspec(len(heights), columns, height_ratios=heights)
        column, row = [], 0
        for at in (0, 1):
            column.append(made.add_subplot(grid[row, :]))
            _head(column[-1], pair[at], titles[at], canvas)
            row += 1
            for place, example in enumerate(chosen[at]):
                axes = made.add_subplot(grid[row + place // columns, place % columns])
                _draw(axes, held[at][place], _texts(pair, found, int(example), 1 - at), canvas, columns)
                if place % columns == 0:
                    column.append(axes)
            row += -(-len(chosen[at]) // columns)
        style.caption(made, canvas, _facts(pair, found, [len(each) for each in chosen]))
        style.fit(made, column, sum(heights))
    return made


def _heights(held: Sequence[npt.NDArray[Any]], titles: Sequence[str], columns: int, canvas: Canvas) -> list[float]:
    """Return the heights of the rows in inches: a title and the images of each grid."""
    wide = 0.92 * canvas.inches / columns
    heights = []
    for each, title in zip(held, titles, strict=True):
        shape = min(each.shape[-2] / each.shape[-1], 2.0) if each.ndim == 4 else _FLAT
        lines = _HEAD_ROW + 1.2 * title.count("\n")
        heights += [lines * canvas.points(_HEAD) / 72, *[shape * wide] * -(-len(each) // columns)]
    return heights


def _title(pair: tuple[Series, Series], found: Tests, at: int, canvas: Canvas) -> str:
    """Return the title of a grid in lines: which architecture is right, and on how many of all examples."""
    total = len(found.only(at))
    text = f"only {pair[at].architecture} is right ({total:,} of {len(found.rows):,})"
    if not total:
        text += f": no such {selection.examples(pair[at].runs).rstrip('s')}"
    return "\n".join(textwrap.wrap(text, int(72 * 0.9 * canvas.inches / (_BOLD * canvas.points(_HEAD)))))


def _head(axes: Axes, series: Series, title: str, canvas: Canvas) -> None:
    """Print the title of a grid with the marker of the architecture that is right."""
    axes.axis("off")
    look = {**series.look, "linestyle": "none", "markersize": 7 * canvas.scale}
    axes.legend(
        handles=[Line2D([], [], label=title, **look)], loc="lower left",
        prop={"size": canvas.points(_HEAD), "weight": "bold"}, borderaxespad=0, borderpad=0, handlelength=1,
    )  # fmt: skip


def _texts(pair: tuple[Series, Series], found: Tests, example: int, wrong: int) -> list[str]:
    """Return the lines at an image: its class, what the other architecture predicts, and how often which is right."""
    names = pair[0].runs[0].record.data.class_names
    label = int(found.labels[example])
    wrongs = [f"{names[number]} ({times})" for number, times in found.mistaken(wrong, example)]
    right = [
        f"{round(found.shares(at)[example] * len(pair[at].runs))}/{len(pair[at].runs)}" for at in (1 - wrong, wrong)
    ]
    return [f"true: {names[label]}", f"wrong: {', '.join(wrongs)}", f"right: {right[0]} and {right[1]}"]


def _draw(axes: Axes, values: npt.NDArray[Any], texts: Sequence[str], canvas: Canvas, columns: int) -> None:
    """Draw an input with its lines of text above it, each cut to the width."""
    inputs.draw(axes, values, canvas.scale)
    size = canvas.points(_LETTERS)
    most = int(72 * 0.92 * canvas.inches / columns / (_LETTER * size))
    lines = [style.legible(text) for text in texts]
    lines = [line if len(line) <= most else f"{line[: most - 1]}…" for line in lines]
    axes.set_title("\n".join(lines), loc="left", fontsize=size)


def _in_order(found: Predictions) -> Predictions:
    """Return predictions in the order of their rows."""
    order = np.argsort(found.rows, kind="stable")
    return Predictions(found.rows[order], found.labels[order], found.logits[order])


def _facts(pair: tuple[Series, Series], found: Tests, shown: Sequence[int]) -> list[str]:
    """Return the caption's sentences: n, seeds, the rule of the choice, and what the figure does not show."""
    runs = [run for each in pair for run in each.runs]
    both = [int(((found.shares(at) == 1) & (found.shares(1 - at) == 0)).sum()) for at in (0, 1)]
    return [
        f"n = {len(found.rows):,} test {selection.examples(runs)}, {len(pair[0].runs)} and {len(pair[1].runs)} runs,",
        f"{selection.seeds(runs)}, final weights. Each grid shows up to {max(*shown, 1)} examples that more than half",
        "of the runs of one architecture and less than half of the other's get right, the clearest first.",
        f"All runs of one are right and all of the other wrong on {both[0]:,} and {both[1]:,} examples.",
        "The second line at an example has the wrong predictions with their numbers of runs, the third the runs that",
        "are right. Two sets of runs of one architecture disagree, too: the figure illustrates and tests nothing.",
        of_sizes(pair),
        selection.warning(runs),
    ]  # fmt: skip
