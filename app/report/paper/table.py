"""The table of results for LaTeX: every model with its mean, and its difference to the other model of its size."""

from __future__ import annotations

from collections.abc import Iterator

from ...results import wording
from ...results.comparison import ArmResult, Comparison, Pair
from ..sections import dots
from ..sections.subject import Answer, Subject
from . import latex


def text(subject: Subject) -> str:
    """Return table.tex: one table per dataset, for the package booktabs."""
    tables = [_table(answer, answer.comparison) for answer in subject.answers if answer.comparison]
    head = rf"% study {latex.escaped(subject.name)}, written by isoscale {latex.escaped(subject.version)}"
    return "\n\n".join([f"{head}\n% needs \\usepackage{{booktabs}}", *tables]) + "\n"


def _table(answer: Answer, comparison: Comparison) -> str:
    places, metric = dots.places_of(comparison), comparison.metric
    unit = r" (\%)" if metric.rate else ""
    heads = (
        "model",
        "parameters",
        "$k$",
        f"{latex.escaped(metric.title)}{unit}",
        "sd",
        "difference",
        "interval",
        "verdict",
    )
    lines = [
        r"\begin{table}", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{_caption(answer, comparison)}}}",
        rf"\label{{tab:{answer.key}}}", r"\begin{tabular}{lrrrrrrl}", r"\toprule", " & ".join(heads) + r" \\",
        r"\midrule", *_rows(comparison, places), r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines)


def _caption(answer: Answer, comparison: Comparison) -> str:
    groups = f" in {comparison.groups:,} groups" if comparison.groups != comparison.examples else ""
    level = f"{100 * comparison.pairs[0].verdict.level:.4g}"
    unit = f" in {comparison.metric.unit}" if comparison.metric.unit else ""
    about = (
        f"{comparison.metric.title[:1].upper()}{comparison.metric.title[1:]} on {answer.title} (n = "
        f"{comparison.examples:,} test examples{groups}): mean and standard deviation over k runs. A difference{unit} "
        f"is to {_reference(comparison)}, positive where the model is better, with its {level} % interval for "
        f"{_target(comparison)}."
    )
    return latex.escaped(about)


def _target(comparison: Comparison) -> str:
    return "new seeds and new test examples" if comparison.target == "examples" else "new seeds on this test set"


def _rows(comparison: Comparison, places: int) -> Iterator[str]:
    """Yield a row per model, sizes apart by a rule. A mean is bold only where a verdict says better."""
    sizes = list(dict.fromkeys(arm.size for arm in comparison.arms))
    for place, size in enumerate(sizes):
        if place:
            yield r"\midrule"
        for arm in (each for each in comparison.arms if each.size == size):
            yield " & ".join(_cells(comparison, arm, places)) + r" \\"


def _cells(comparison: Comparison, arm: ArmResult, places: int) -> list[str]:
    metric = comparison.metric
    mean = latex.number(wording.number(metric, arm.mean, places))
    if arm.title in _winners(comparison):
        mean = latex.bold(mean)
    sd = "--" if arm.sd is None else latex.number(wording.number(metric, arm.sd, places))
    pair = next((each for each in comparison.pairs if each.b == arm.title), None)
    name = rf"\texttt{{{latex.escaped(arm.title)}}}"
    return [
        name,
        f"{arm.parameters:,}",
        str(len(arm.results)),
        mean,
        sd,
        *(_pair(comparison, pair) if pair else ["", "", ""]),
    ]


def _pair(comparison: Comparison, pair: Pair) -> list[str]:
    """Return the difference of the second model to the first, its interval, and the verdict on the second model."""
    metric, places = comparison.metric, wording.decimals_of(comparison.metric, pair.interval, pair.difference)
    difference = latex.number(wording.number(metric, -pair.difference, places))
    interval = "--"
    if pair.interval:
        low, high = (latex.number(wording.number(metric, -end, places)) for end in reversed(pair.interval))
        interval = f"[{low}, {high}]"
    word = {"better": "worse", "worse": "better"}.get(pair.word, pair.word)
    return [difference, interval, word]


def _winners(comparison: Comparison) -> set[str]:
    """Return the models that a verdict says to be better than another one, and none says to be worse."""
    decided = [pair if pair.word == "better" else None for pair in comparison.pairs]
    better = {pair.a for pair in decided if pair} | {pair.b for pair in comparison.pairs if pair.word == "worse"}
    worse = {pair.b for pair in decided if pair} | {pair.a for pair in comparison.pairs if pair.word == "worse"}
    return better - worse


def _reference(comparison: Comparison) -> str:
    """Return the model that differences are to: the first of the same size, or the first of all."""
    sizes = {arm.title: arm.size for arm in comparison.arms}
    within = all(sizes[pair.a] == sizes[pair.b] for pair in comparison.pairs)
    return "the first model of the same size" if within else comparison.arms[0].title
