"""The numbers and the verdict of a comparison as text: differences to two significant digits of their uncertainty."""

from __future__ import annotations

import math

from ..statistics.verdict import Verdict
from .metrics import Metric

Interval = tuple[float, float]
_TARGETS = {
    "examples": "for new seeds and new test examples",
    "test-set": "for new seeds on this test set",
    "Welch": "for new seeds on such test sets",
    "folds": "for new training sets and examples like these",
}


def decimals(half: float | None, default: int = 2) -> int:
    """Return the decimals at which an interval's half-width has two significant digits."""
    if half is None or not math.isfinite(half) or half <= 0:
        return default
    rounded = float(f"{half:.1e}")
    return max(0, 1 - math.floor(math.log10(rounded)))


def decimals_of(metric: Metric, interval: Interval | None, value: float | None = None) -> int:
    """Return the decimals of the shown numbers of a comparison: those of its interval, else of a value."""
    if interval is not None and interval[1] > interval[0]:
        return decimals(metric.scale * (interval[1] - interval[0]) / 2)
    return 2 if metric.rate else decimals(abs(value) if value else None, 4) + 2


def number(metric: Metric, value: float, places: int) -> str:
    """Return a difference or a margin without its unit, as it is shown. Negative zero is 0."""
    text = f"{metric.scale * value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text


def result(metric: Metric, value: float, places: int) -> str:
    """Return a result as it is shown: a rate in percent."""
    return number(metric, value, places) + (" %" if metric.rate else "")


def amount(metric: Metric, value: float, places: int) -> str:
    """Return a difference with its unit, such as `1.2 points`."""
    return f"{number(metric, value, places)} {metric.unit}".strip()


def margin(metric: Metric, delta: float) -> str:
    """Return a margin with its unit, such as `1 point`."""
    shown = f"{metric.scale * delta:.3g}"
    unit = "point" if metric.unit == "points" and shown == "1" else metric.unit
    return f"{shown} {unit}".strip() if unit else f"{shown} of {metric.title}"


def within(metric: Metric, interval: Interval | None, level: float, places: int) -> str:
    """Return an interval in words, such as `95 % interval 0.31 to 2.17`, or that there is none."""
    if interval is None:
        return "no interval"
    low, high = (number(metric, end, places) for end in interval)
    return f"{100 * level:.4g} % interval {low} to {high}"


def sentence(
    a: str, b: str, *, metric: Metric, verdict: Verdict, word: str, difference: float, delta: float | None,
    target: str,
) -> str:  # fmt: skip
    """Return the verdict as a sentence. The arm that is ahead comes first."""
    if verdict.interval is None and word in ("better", "worse"):
        ahead, behind = (a, b) if word == "better" else (b, a)
        p = "" if verdict.p is None else f" (p = {verdict.p:.2g} over all runs)"
        return f"{ahead} is better than {behind}{p}, {_TARGETS[target]}."
    if word == "identical":
        return f"{a} and {b} are identical on every test example."
    ahead, behind, interval = a, b, verdict.interval
    if difference < 0:
        ahead, behind, difference = b, a, -difference
        interval = None if interval is None else (-interval[1], -interval[0])
    places = decimals_of(metric, interval, difference)
    of = f" of {metric.title}" if metric.unit else f" in {metric.title}"
    by = f"by {amount(metric, difference, places)}{of} ({within(metric, interval, verdict.level, places)})"
    lead = f"{ahead} is ahead of {behind} {by}"
    scope = _TARGETS[target]
    if word in ("better", "worse"):
        least = f" The difference is at least {margin(metric, delta)}." if verdict.at_least_delta and delta else ""
        return f"{ahead} is better than {behind} {by}, {scope}.{least}"
    if word == "equivalent" and delta is not None:
        small = f" The difference is real, but smaller than {margin(metric, delta)}." if verdict.real_but_small else ""
        return f"{a} and {b} are equivalent within {margin(metric, delta)}, {scope}: {lead}.{small}"
    if word == "one seed":
        return f"one seed: not an answer about architectures. In these runs, {lead}."
    if word == "undecided":
        return f"undecided: {lead}, {scope}. Either could be better."
    return f"{word}: {lead}."
