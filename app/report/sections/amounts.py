"""Numbers of runs for a document: values of a record by their key path, and values computed from several runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ...artifacts.runs import Run
from ...results import wording
from ...results.comparison import ArmResult, Comparison
from ...results.gap import Gap
from ...results.metrics import Metric
from ...system.duration import spoken
from ..document.parts import Number, Text
from .subject import learned

NONE: Text = ("-",)


def at(run: Run, path: str, shown: Callable[[Any], str]) -> Text:
    """Return the value at a key path of a run's record, such as `results.test.top1`; a dash where there is none."""
    value: Any = run.record
    for key in path.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        else:
            value = value[int(key)] if isinstance(value, list) else getattr(value, key, None)
    if not isinstance(value, int | float):
        return NONE
    return (Number(text=shown(value), value=value, runs=(run.record.run_id,), path=path),)


def total(runs: Sequence[Run], path: str, shown: Callable[[float], str]) -> Text:
    """Return the sum of the values at a key path of the runs that have it; a dash if none has it."""
    parts = [(run, part) for run in runs for part in at(run, path, str) if isinstance(part, Number)]
    if not parts:
        return NONE
    value = math.fsum(part.value for _, part in parts)
    ids = tuple(run.record.run_id for run, _ in parts)
    return (Number(text=shown(value), value=value, runs=ids, path=f"sum({path})"),)


def computed(text: str, value: float, runs: Sequence[str], path: str) -> Number:
    """Return a number that is computed from several runs."""
    return Number(text=text, value=float(value), runs=tuple(runs), path=path)


def mean(arm: ArmResult, comparison: Comparison, places: int) -> Number:
    """Return the mean result of an arm, of the runs that learned."""
    metric = comparison.metric
    return computed(wording.result(metric, arm.mean, places), arm.mean, learned(arm), f"mean({metric.name})")


def sd(arm: ArmResult, comparison: Comparison, places: int) -> Text:
    """Return the standard deviation of a run's result in an arm; a dash for one run."""
    if arm.sd is None:
        return NONE
    metric = comparison.metric
    return (computed(wording.amount(metric, arm.sd, places), arm.sd, learned(arm), f"sd({metric.name})"),)


def interval(metric: Metric, ends: tuple[float, float], places: int, runs: Sequence[str], path: str) -> Text:
    """Return an interval: `0.31 to 2.17`."""
    low, high = (
        computed(wording.number(metric, end, places), end, runs, f"{path}.{place}") for place, end in enumerate(ends)
    )
    return (low, " to ", high)


def marked(text: str, numbers: Sequence[Number]) -> Text:
    """Return a sentence in which numbers that are part of it, in their order, know where they are from."""
    parts: list[str | Number] = []
    for each in numbers:
        found = re.search(rf"(?<![\w.]){re.escape(each.text)}(?![\w]|[.,]\d)", text)
        if found:
            parts += [text[: found.start()], each]
            text = text[found.end() :]
    return (*parts, text)


def count(value: float) -> str:
    """Return an integer with separators."""
    return f"{value:,.0f}"


def percent(value: float) -> str:
    """Return a fraction as percent with two decimals."""
    return f"{100 * value:.2f} %"


def digits(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:.4g}"


def duration(value: float) -> str:
    """Return seconds for a reader."""
    return spoken(value)


def kilowatt_hours(value: float) -> str:
    """Return an energy for a reader."""
    return f"{value:,.3g} kWh"


def dollars(value: float) -> str:
    """Return a price for a reader."""
    return f"{value:,.2f} USD"


def p_value(value: float) -> str:
    """Return a p value for a reader."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def gap_row(gap: Gap, metric: Metric, path: str, runs: Sequence[str]) -> tuple[Text, ...]:
    """Return the cells of a row of an exploratory table: name, examples, difference, interval and adjusted p value."""
    places = wording.decimals_of(metric, gap.interval, gap.difference)
    examples = computed(count(gap.examples), gap.examples, runs, f"{path}.examples")
    difference = computed(
        wording.number(metric, gap.difference, places), gap.difference, runs, f"{path}.difference"
    )  # fmt: skip
    ends, tested = NONE, NONE
    if gap.interval:
        ends = interval(metric, gap.interval, places, runs, f"{path}.interval")
    if gap.adjusted is not None:
        tested = (computed(p_value(gap.adjusted), gap.adjusted, runs, f"{path}.adjusted_p"),)
    return (gap.name,), (examples,), (difference,), ends, tested
