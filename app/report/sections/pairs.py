"""The table of all pairs of models of a comparison: difference, interval, p value and verdict word."""

from __future__ import annotations

from ...results import wording
from ...results.comparison import Comparison, Pair
from ...results.metrics import Metric
from ..document.parts import Table, Text
from . import amounts
from .subject import Answer, Subject, compared, ids


def table(answer: Answer, where: str) -> Table:
    """Return the table of all pairs of a dataset; `where` is a last sentence of its caption."""
    comparison = answer.comparison
    assert comparison, "pairs are of a comparison"
    unit = f" ({comparison.metric.unit})" if comparison.metric.unit else ""
    adjusted = " (Holm)" if comparison.family > 1 else ""
    level = f"{100 * comparison.pairs[0].verdict.level:.4g}"
    return Table(
        caption=f"Pairs of models on {answer.title}, by {comparison.metric.title}. A difference is positive where the "
        f"first model is better.{where}",
        heads=("pair", "verdict", f"difference{unit}", f"{level} % interval", f"p{adjusted}", "P(first beats second)"),
        rows=tuple(_row(answer, comparison, pair) for pair in comparison.pairs), right=frozenset({2, 3, 4, 5}),
    )  # fmt: skip


def _row(answer: Answer, comparison: Comparison, pair: Pair) -> tuple[Text, ...]:
    runs, metric, p = compared(answer.of(pair)), comparison.metric, pair.verdict.p
    places = wording.decimals_of(metric, pair.interval, pair.difference)
    shown = wording.number(metric, pair.difference, places)
    difference = amounts.computed(shown, pair.difference, runs, f"{path(pair, metric)}.difference")
    ends, tested = amounts.NONE, amounts.NONE
    if pair.interval:
        ends = amounts.interval(metric, pair.interval, places, runs, f"{path(pair, metric)}.interval")
    if p is not None:
        tested = (amounts.computed(amounts.p_value(p), p, runs, f"{path(pair, metric)}.p"),)
    beats = amounts.computed(f"{pair.beats:.2f}", pair.beats, ids(answer.of(pair)), f"beats({metric.name})")
    return (f"{pair.a} against {pair.b}",), (pair.word,), (difference,), ends, tested, (beats,)


def name(subject: Subject, answer: Answer, pair: Pair) -> str:
    """Return a pair for a reader, with the dataset if there are several."""
    return f"{pair.a} against {pair.b}" + (f" on {answer.title}" if subject.several else "")


def path(pair: Pair, metric: Metric) -> str:
    """Return the procedure and the metric of a pair as a part of a number's path: `crossed(top1)`."""
    return f"{pair.procedure.lower().replace(' ', '-')}({metric.name})"
