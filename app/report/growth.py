"""A test metric against parameters, FLOPs or dollars, and below it the differences from the first architecture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..artifacts.runs import Run
from ..config import checks
from ..results.abscissa import PARAMETERS, Abscissa
from ..results.arms import Arm
from ..results.by_size import BySize, Gap, Interval, Mean, by_size
from ..results.metrics import Metric, metric_of
from ..system.durable import write_text
from . import selection, style
from .canvas import CANVAS, Canvas
from .rules import Rules
from .scaling import tested
from .series import Series, series_of

_PANELS, _SHARE = 6.2, (5, 3)  # inches of height of both panels at the usual width; their heights
_ALONE, _LEAST = 4.9, 2.3  # of the upper panel without the lower one; of the panels, in a narrow figure
_LOG_RATIO = 4  # ratio of sizes from which the axis is logarithmic
_BESIDE = 0.025  # of the width, between architectures of one size


@dataclass(frozen=True)
class Axis:
    """The horizontal axis in its unit, where architectures of one size are drawn next to each other."""

    smallest: float
    largest: float
    places: int
    factor: float = 1e6  # of the unit
    label: str = "parameters (millions)"

    @classmethod
    def of(cls, found: BySize, places: int) -> Axis:
        """Return the axis of the means."""
        values = [each.x for each in found.means]
        factor, label = found.along.unit(max(values))
        return cls(min(values) / factor, max(values) / factor, places, factor, label)

    @property
    def logarithmic(self) -> bool:
        """Whether the values differ so much that the axis is logarithmic."""
        return self.largest / self.smallest > _LOG_RATIO

    def at(self, value: float, place: int) -> float:
        """Return where the architecture at a place in the order is drawn."""
        shift, scaled = _BESIDE * (place - (self.places - 1) / 2), value / self.factor
        if self.logarithmic:
            return float(scaled * (self.largest / self.smallest) ** (1.2 * shift))
        return scaled + 1.2 * shift * self._reach

    def finish(self, axes: Axes, canvas: Canvas) -> None:
        """Set limits and ticks."""
        if self.logarithmic:
            room = (self.largest / self.smallest) ** 0.1
            most = 5 if canvas.narrow else 9
            style.plain_log(axes, "x", self.smallest / room, self.largest * room, most=most)
        else:
            room = max(0.1 * self._reach, 0.5 * (self._reach - self.largest + self.smallest))
            axes.set_xlim(self.smallest - room, self.largest + room)

    @property
    def _reach(self) -> float:
        return max(self.largest - self.smallest, 0.5 * self.largest)


def measured(
    runs: list[Run], metric: str | None = None, along: Abscissa = PARAMETERS, say: selection.Say | None = None
) -> tuple[list[Series], BySize]:
    """Return the series of the tested runs of one dataset, and their means and differences by size.

    Raises InputError if no run is tested, for a metric that the runs do not have, and for runs without the quantity of
    the axis.
    """
    config = runs[0].config
    series = series_of(tested(runs, say))
    chosen = metric_of(metric, task_name=config.task, classes=config.classes)
    return series, by_size([arm_of(each) for each in series], chosen, along)


def draw(
    runs: list[Run], folder: Path, *, metric: str | None = None, along: Abscissa = PARAMETERS,
    say: selection.Say | None = None, canvas: Canvas = CANVAS,
) -> list[Path]:  # fmt: skip
    """Draw the figure of the runs of one dataset. Return the files, `scaling_<dataset>` and its numbers as JSON.

    Runs without test results are named in the figure and by `say`. Raises InputError as `measured`.
    """
    series, found = measured(runs, metric, along, say)
    missing = [run for run in runs if not run.record.tested]
    dataset = checks.file_part(runs[0].config.dataset)
    stem = folder / f"scaling_{'' if along.name == PARAMETERS.name else f'{along.name}_'}{dataset}"
    paths = style.save(figure(series, found, missing, canvas), stem, canvas)
    numbers = stem.with_name(f"{stem.name}.json")
    write_text(numbers, json.dumps({"dataset": runs[0].config.dataset, **found.to_json()}, indent=2) + "\n")
    return [*paths, numbers]


def arm_of(series: Series) -> Arm:
    """Return the runs of a series as an arm of a comparison."""
    return Arm(title=series.architecture, runs=series.runs)


def figure(series: Sequence[Series], found: BySize, missing: Sequence[Run] = (), canvas: Canvas = CANVAS) -> Figure:
    """Return the figure of means and differences. The means are those of the series."""
    metric, config = found.metric, series[0].runs[0].config
    places = {each.architecture: each.place for each in series}
    axis = Axis.of(found, len(places))
    rules = Rules(found.landmarks, lambda value: metric.scale * value)
    with style.house_style(canvas):
        made = style.blank(f"Test {metric.title} by size on {selection.dataset_title(config.dataset)}", canvas)
        axes = _panels(made, found, canvas)
        for name, place in places.items():
            means = [each for each in found.means if each.architecture == name]
            _draw_means(axes[0], means, metric, (axis, place), canvas)
            gaps = [each for each in found.gaps if each.architecture == name]
            if gaps:
                _draw_gaps(axes[1], gaps, metric, (axis, place), canvas)
        axis.finish(axes[0], canvas)
        axes[0].set_ylim(*rules.frame(*axes[0].get_ylim()))
        rules.draw(axes[0], canvas, " %")
        axes[-1].set_xlabel(axis.label)
        axes[0].set_ylabel(f"test {metric.title}{' (%)' if metric.rate else ''}")
        style.legend_above(axes[0], canvas)
        style.caption(made, canvas, [*_facts(series, found, missing), *rules.sentences(axes[0], " %", metric.title)])
        least = _LEAST * len(axes) if canvas.narrow else 0
        style.fit(made, axes, max((_PANELS if len(axes) > 1 else _ALONE) * canvas.shrunk, least))
    return made


def _panels(made: Figure, found: BySize, canvas: Canvas) -> list[Axes]:
    """Make the panel of the metric and, if there are differences, the one below it."""
    if not found.gaps:
        return [made.subplots()]
    above, below = made.subplots(2, 1, sharex=True, height_ratios=_SHARE)
    below.axhline(0, color=style.GREY, linewidth=1.2 * canvas.scale)
    unit = f" ({found.metric.unit})" if found.metric.unit else ""
    below.set_ylabel(f"difference{unit}")
    return [above, below]


def _draw_means(axes: Axes, means: Sequence[Mean], metric: Metric, where: tuple[Axis, int], canvas: Canvas) -> None:
    """Draw the means of an architecture with their intervals and a line, and an open point per seed."""
    axis, place = where
    x = [axis.at(each.x, place) for each in means]
    heights = [metric.scale * each.value for each in means]
    seeds = sorted({len(each.results) for each in means})
    count = f"{seeds[0]} seed{'s' if seeds[-1] > 1 else ''}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    label = f"{means[0].architecture} ({count}{'' if len(seeds) == 1 and len(means) == 1 else ' per size'})"
    _bars(axes, x, heights, [each.interval for each in means], metric, (place, label), canvas)
    options: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "white", "markersize": 4.5 * canvas.scale}
    for at, each in zip(x, means, strict=True):
        if len(each.results) > 1:
            values = [metric.scale * value for value in each.results]
            axes.plot([at] * len(values), values, marker="o", color=style.look(place)["color"], zorder=4, **options)


def _draw_gaps(axes: Axes, gaps: Sequence[Gap], metric: Metric, where: tuple[Axis, int], canvas: Canvas) -> None:
    """Draw the differences of an architecture from the first one with their intervals."""
    axis, place = where
    x = [axis.at(each.x, place) for each in gaps]
    found = [metric.scale * each.difference for each in gaps]
    _bars(axes, x, found, [each.interval for each in gaps], metric, (place, ""), canvas)


def _bars(
    axes: Axes, x: list[float], y: list[float], intervals: Sequence[Interval | None], metric: Metric,
    named: tuple[int, str], canvas: Canvas,
) -> None:  # fmt: skip
    """Draw points with bars over their intervals, a thin line between them, and an entry of the legend."""
    look = style.look(named[0])
    ends = [[metric.scale * end for end in each] if each else [at, at] for each, at in zip(intervals, y, strict=True)]
    reach = [[max(0.0, at - low) for at, (low, _) in zip(y, ends, strict=True)],
             [max(0.0, high - at) for at, (_, high) in zip(y, ends, strict=True)]]  # fmt: skip
    sizes: dict[str, Any] = {"markersize": 8, "capsize": 5, "elinewidth": 2.0, "linewidth": 1.3}
    axes.errorbar(
        x, y, yerr=np.array(reach), label=named[1] or None, **look,
        **{name: canvas.scale * size for name, size in sizes.items()},
    )  # fmt: skip


def _facts(series: Sequence[Series], found: BySize, missing: Sequence[Run]) -> list[str]:
    """Return the caption's sentences: n, seeds, and what the points, bars and the lower panel show."""
    runs = [run for each in series for run in each.runs]
    counts = sorted({run.record.test.n for run in runs})
    grouped = f" in {found.groups:,} groups" if found.groups else ""
    several = any(len(each.results) > 1 for each in found.means)
    first = found.means[0].architecture
    better = "higher" if found.metric.higher else "lower"
    at = " at the same size" if all(gap.of_one_size for gap in found.gaps) else ""
    return [
        f"n = {' or '.join(f'{n:,}' for n in counts)} test {selection.examples(runs)}{grouped},",
        f"{selection.seeds(runs)}, final weights.",
        "An open point is one seed, a filled point the mean." if several else "",
        _covered(found) if several else "",
        f"A single run has the interval over its test {selection.examples(runs)} only."
        if any(len(each.results) == 1 and each.interval for each in found.means) else "",
        f"The lower panel shows the {found.metric.title} of each architecture minus that of {first}{at} ({better} is "
        "better)." if found.gaps else "",
        *_of_sizes(found),
        "A difference without a bar is one of single runs, which is no answer about architectures."
        if found.basis != "folds" and any(each.interval is None for each in found.gaps) else "",
        "Architectures of one size are drawn next to each other." if len({each.place for each in series}) > 1 else "",
        found.along.sentence,
        f"Not evaluated: {len(missing)} run{'s' if len(missing) > 1 else ''} ({', '.join(selection.sizes(missing))})."
        if missing else "",
        "The runs are trials on a limited dataset." if any(run.config.limited for run in runs) else "",
        selection.warning(runs),
    ]  # fmt: skip


def _of_sizes(found: BySize) -> list[str]:
    """Return the caption's sentences on differences between architectures of different sizes."""
    return [
        f"{gap.architecture} has {gap.parameters / 1e6:.3g}M parameters and {gap.minus} "
        f"{gap.minus_parameters / 1e6:.3g}M: their difference is also one of size."
        for gap in found.gaps if not gap.of_one_size
    ]  # fmt: skip


def _covered(found: BySize) -> str:
    """Return the caption's sentence on what intervals of several seeds cover."""
    return {
        "examples": "Bars are 95 % intervals for new seeds and new test examples (crossed analysis).",
        "runs": f"Bars are 95 % t intervals over runs (Welch), because {found.because}. They omit new examples.",
        "folds": f"Means have no bars, because {found.because}.",
    }[found.basis]
