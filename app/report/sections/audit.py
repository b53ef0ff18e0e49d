"""The audit of a report: in what else the models differ, their budgets, and remarks on their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...results.audit import Budget, Difference
from ...results.comparison import ArmResult, Pair
from ...system.duration import spoken
from ..document.parts import Block, Bullets, Paragraph, Section, Table, Text
from . import amounts, pairs
from .subject import Answer, Subject

_CLASSES = {"voids": "voids the comparison", "confound": "confounds it", "harmless": "harmless"}
_PATHS = {
    "parameters": "mean(parameters.total)", "training FLOPs": "mean(training FLOPs)",
    "seconds": "mean(seconds.training)", "dollars": "mean(dollars)",
}  # fmt: skip


def section(subject: Subject) -> Section | None:
    """Return the section, or None without a comparison."""
    inner = []
    for place, answer in enumerate(subject.answers, 1):
        for number, pair in enumerate(answer.comparison.pairs if answer.comparison else (), 1):
            name = pairs.name(subject, answer, pair)
            blocks = tuple(_pair(answer, pair, name))
            inner.append(Section(key=f"audit-{place}-{number}", title=name, blocks=blocks))
    if not inner:
        return None
    text = (
        "Every setting and fact in which two models differ besides their architecture. A confound may explain a "
        "difference of the results as well as the architecture does."
    )
    if len(inner) == 1:
        return Section(key="audit", title="Audit", blocks=(Paragraph((text,)), *inner[0].blocks))
    return Section(key="audit", title="Audit", blocks=(Paragraph((text,)),), sections=tuple(inner))


def _pair(answer: Answer, pair: Pair, name: str) -> Iterator[Block]:
    """Yield the differences, the budgets and the remarks of a pair."""
    differences = pair.audit.differences
    if differences:
        yield Table(
            caption=f"Differences of {name} besides the architecture",
            heads=("setting or fact", "class", pair.a, pair.b), rows=tuple(map(_difference, differences)),
        )  # fmt: skip
    else:
        yield Paragraph(("The models differ in nothing but their architecture.",))
    a, b = answer.of(pair)
    known = [budget for budget in pair.audit.budgets if budget.a is not None and budget.b is not None]
    if known:
        yield Table(
            caption=f"Budgets of one run of {name}. Matched: at most 1 % apart.",
            heads=("budget", pair.a, pair.b, "ratio", "matched"),
            rows=tuple(_budget(budget, a, b) for budget in known), right=frozenset({1, 2, 3}),
        )  # fmt: skip
    if pair.audit.findings:
        yield Bullets(tuple((f"{each.text[:1].upper()}{each.text[1:]}.",) for each in pair.audit.findings))


def _difference(each: Difference) -> tuple[Text, ...]:
    return (each.name,), (_CLASSES[each.differs],), (", ".join(each.a),), (", ".join(each.b),)


def _budget(budget: Budget, a: ArmResult, b: ArmResult) -> tuple[Text, ...]:
    shown: Callable[[float], str] = {
        "parameters": amounts.count, "training FLOPs": lambda value: f"{value:.3g}", "seconds": spoken,
        "dollars": amounts.dollars,
    }[budget.name]  # fmt: skip
    assert budget.a is not None and budget.b is not None, "only known budgets are shown"
    values = [
        (amounts.computed(shown(value), value, arm.run_ids, _PATHS[budget.name]),)
        for value, arm in ((budget.a, a), (budget.b, b))
    ]
    ratio = budget.ratio
    between: Text = amounts.NONE
    if ratio is not None:
        between = (amounts.computed(f"{ratio:.4g}", ratio, (*a.run_ids, *b.run_ids), f"ratio({_PATHS[budget.name]})"),)
    names = {"seconds": "training time", "dollars": "price"}
    return (names.get(budget.name, budget.name),), *values, between, ("yes" if budget.matched else "no",)
