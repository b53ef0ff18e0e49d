"""What would change a verdict: more seeds with their time and price, or more test examples."""

from __future__ import annotations

from collections.abc import Iterator

from ...results import wording
from ...results.comparison import OUTSIDE, Pair
from ...results.remedy import Remedy
from ...system.duration import spoken
from ..document.parts import Bullets, Paragraph, Section, Strong, Table, Text
from . import amounts, pairs
from .subject import Answer, Subject, compared

_OUTSIDE = "the look is outside the study's plan. A new study with a plan, or more seeds that it names, has a verdict."
_DECIDED = "nothing is missing for a verdict. More seeds or examples narrow the interval."


def section(subject: Subject) -> Section | None:
    """Return the section, or None without a comparison."""
    found = [(answer, pair) for answer in subject.answers if answer.comparison for pair in answer.comparison.pairs]
    if not found:
        return None
    about: Text = (
        "A study of enough seeds or examples detects a true difference of the margin with 80 % power. The calculation "
        "uses the margin and never the observed difference.",
    )
    items = tuple(_item(pairs.name(subject, answer, pair), answer, pair) for answer, pair in found)
    rows = tuple(_row(pairs.name(subject, answer, pair), answer, pair) for answer, pair in found)
    table = Table(
        caption="The standard error of each difference, and what detects the margin",
        heads=("pair", "margin", "SE", "part of the examples", "seeds of each", "least test examples"), rows=rows,
        right=frozenset({2, 3, 4, 5}),
    )  # fmt: skip
    return Section(
        key="change", title="What would change the verdict", blocks=(Paragraph(about), Bullets(items), table)
    )


def _item(name: str, answer: Answer, pair: Pair) -> Text:
    if pair.remedy is None:
        return (Strong(name), f" ({pair.word}): {_OUTSIDE if pair.word == OUTSIDE else _DECIDED}")
    return (
        Strong(name),
        f" ({pair.word}): ",
        *amounts.marked(pair.remedy.text, [*_in_text(answer, pair, pair.remedy)]),
    )


def _in_text(answer: Answer, pair: Pair, remedy: Remedy) -> Iterator[amounts.Number]:
    """Yield the numbers of the remedy's sentence, in the order in which it may have them."""
    comparison = answer.comparison
    assert comparison, "a pair is of a comparison"
    runs, path = compared(answer.of(pair)), pairs.path(pair, comparison.metric)
    examples = amounts.computed(amounts.count(comparison.examples), comparison.examples, runs, "examples")
    if remedy.examples:
        needed = amounts.computed(amounts.count(remedy.examples), remedy.examples, runs, f"{path}.needed_examples")
        yield from (needed, examples) if pair.procedure == "folds" else (examples, needed)
    if remedy.seeds:
        yield amounts.computed(str(remedy.seeds), remedy.seeds, runs, f"{path}.needed_seeds")
        if remedy.seeds_upper and remedy.seeds_upper != remedy.seeds:
            yield amounts.computed(str(remedy.seeds_upper), remedy.seeds_upper, runs, f"{path}.needed_seeds_upper")
    if remedy.more and sum(remedy.more):
        for arm, more in zip(answer.of(pair), remedy.more, strict=True):
            yield amounts.computed(str(more), more, arm.run_ids, f"{path}.further_runs")
            if remedy.more[0] == remedy.more[1]:
                break
        if remedy.seconds is not None:
            yield amounts.computed(spoken(remedy.seconds), remedy.seconds, runs, f"{path}.further_seconds")
        if remedy.dollars is not None:
            yield amounts.computed(f"{remedy.dollars:,.2f}", remedy.dollars, runs, f"{path}.further_dollars")


def _row(name: str, answer: Answer, pair: Pair) -> tuple[Text, ...]:
    comparison = answer.comparison
    assert comparison, "a pair is of a comparison"
    metric, runs = comparison.metric, compared(answer.of(pair))
    margin = wording.margin(metric, pair.delta) if pair.delta else "none"
    path = pairs.path(pair, metric)
    se, part = amounts.NONE, amounts.NONE
    if pair.se is not None:
        se = (amounts.computed(f"{metric.scale * pair.se:.3g} {metric.unit}".strip(), pair.se, runs, f"{path}.se"),)
        if pair.examples_part is not None and pair.se > 0 and pair.procedure in ("crossed", "folds"):
            share = pair.examples_part / pair.se**2
            part = (amounts.computed(f"{100 * share:.0f} % of SE²", share, runs, f"{path}.examples_share"),)
    return (
        (name,),
        (margin,),
        se,
        part,
        tuple(_seeds(pair.remedy, runs, path)) or amounts.NONE,
        _least(pair, runs, path),
    )


def _seeds(remedy: Remedy | None, runs: tuple[str, ...], path: str) -> Iterator[str | amounts.Number]:
    """Yield the seeds that are needed, and those with the upper limit of the runs' variance."""
    if remedy and remedy.seeds:
        yield amounts.computed(str(remedy.seeds), remedy.seeds, runs, f"{path}.needed_seeds")
        if remedy.seeds_upper and remedy.seeds_upper != remedy.seeds:
            yield " to "
            yield amounts.computed(str(remedy.seeds_upper), remedy.seeds_upper, runs, f"{path}.needed_seeds_upper")


def _least(pair: Pair, runs: tuple[str, ...], path: str) -> Text:
    examples = pair.remedy.examples if pair.remedy else None
    if not examples:
        return amounts.NONE
    return (amounts.computed(amounts.count(examples), examples, runs, f"{path}.needed_examples"),)
