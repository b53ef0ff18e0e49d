"""A comparison for a terminal, and its tables as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..results import wording
from ..results.audit import Audit, Budget
from ..results.comparison import ArmResult, Comparison, Pair
from ..system.columns import columns
from ..system.duration import spoken

FORMATS = ("text", "md", "latex", "csv")
_LATEX = str.maketrans({char: f"\\{char}" for char in "&%$#_{}"})


def shown(found: Comparison, form: str) -> str:
    """Return a comparison in one of the formats."""
    forms: dict[str, Callable[[Comparison], str]] = {"text": text, "md": markdown, "latex": latex, "csv": as_csv}
    return forms[form](found)


def text(found: Comparison) -> str:
    """Return a comparison for a terminal: table, verdicts, what would change them, audit."""
    heads, rows = _table(found)
    lines = [_title(found), "", columns(heads, rows), ""]
    for pair in found.pairs:
        lines += [*_verdict(found, pair), ""]
    lines += _once(found)
    return "\n".join(lines).rstrip()


def markdown(found: Comparison) -> str:
    """Return the table and the verdicts as Markdown."""
    heads, rows = _table(found)
    table = markdown_table(heads, rows)
    verdicts = [f"- {line}" for pair in found.pairs for line in _verdict(found, pair)]
    return "\n".join([_title(found), "", *table, "", *verdicts, *(f"- {line}" for line in _once(found))])


def latex(found: Comparison) -> str:
    """Return the table as LaTeX, for the package booktabs, and the verdicts as comments."""
    heads, rows = _table(found)
    comments = [f"% {line}" for line in [_title(found), *(pair.sentence for pair in found.pairs)]]
    return "\n".join([*comments, tabular(heads, rows, align="l" + "r" * (len(heads) - 1))])


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [_row(heads), _row(["---"] * len(heads)), *(_row([_cell(cell) for cell in row]) for row in rows)]


def tabular(heads: Sequence[str], rows: Sequence[Sequence[str]], *, align: str) -> str:
    """Return a table as LaTeX, for the package booktabs."""
    body = [" & ".join(_tex(cell) for cell in row) + r" \\" for row in rows]
    return "\n".join([
        rf"\begin{{tabular}}{{{align}}}", r"\toprule", " & ".join(map(_tex, heads)) + r" \\", r"\midrule", *body,
        r"\bottomrule", r"\end{tabular}",
    ])  # fmt: skip


def as_csv(*found: Comparison) -> str:
    """Return one row per pair of each comparison with unrounded numbers, rates as fractions."""
    rows = [_flat(each, pair) for each in found for pair in each.pairs]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _flat(found: Comparison, pair: Pair) -> dict[str, Any]:
    low, high = pair.interval or (None, None)
    arms = {arm.title: arm for arm in found.arms}
    row: dict[str, Any] = {"dataset": found.dataset, "metric": found.metric.name, "target": found.target}
    for name, title in (("a", pair.a), ("b", pair.b)):
        arm = arms[title]
        row |= {name: title, f"runs_{name}": len(arm.results), f"mean_{name}": arm.mean, f"sd_{name}": arm.sd}
        row |= {f"parameters_{name}": arm.parameters}
    return row | {
        "n": found.examples, "groups": found.groups, "procedure": pair.procedure, "difference": pair.difference,
        "low": low, "high": high, "level": pair.verdict.level, "se": pair.se, "df": pair.df,
        "examples_part": pair.examples_part, "p": pair.p, "p_adjusted": pair.verdict.p, "beats": pair.beats,
        "delta": pair.delta, "verdict": pair.word, "confounds": "; ".join(pair.audit.confounds),
    }  # fmt: skip


def _title(found: Comparison) -> str:
    unit = f", in {found.metric.unit}" if found.metric.unit and not found.metric.rate else ""
    groups = f" in {found.groups:,} group{'s' if found.groups > 1 else ''}" if found.groups < found.examples else ""
    better = "higher" if found.metric.higher else "lower"
    return (
        f"{found.metric.title} on {found.dataset} ({better} is better{unit}), n = {found.examples:,} test "
        f"examples{groups}. D is positive if the first model is better"
    )


def _table(found: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return one row per arm, then one per pair with D, which is positive if the first arm is better."""
    metric = found.metric
    heads = ("model", "runs", "mean or D", "sd", "95 % interval", "SE", "df", "p", "verdict")
    places = min((wording.decimals_of(metric, pair.interval, pair.difference) for pair in found.pairs), default=2)
    rows = [_arm(found, arm, places) for arm in found.arms]
    return heads, rows + [_pair(found, pair) for pair in found.pairs]


def _arm(found: Comparison, arm: ArmResult, places: int) -> tuple[str, ...]:
    sd = "-" if arm.sd is None else wording.number(found.metric, arm.sd, places)
    return arm.title, str(len(arm.results)), wording.result(found.metric, arm.mean, places), sd, *["-"] * 5


def _pair(found: Comparison, pair: Pair) -> tuple[str, ...]:
    metric, interval = found.metric, pair.interval
    places = wording.decimals_of(metric, interval, pair.difference)
    ends = "-" if interval is None else " to ".join(wording.number(metric, end, places) for end in interval)
    level = "" if interval is None or pair.verdict.level == 0.95 else f" ({100 * pair.verdict.level:.4g} %)"
    title = f"{pair.a} against {pair.b}"
    numbers = (
        "-" if pair.se is None else wording.number(metric, pair.se, places + 1),
        "-" if pair.df is None else f"{pair.df:,.0f}" if pair.df >= 100 else f"{pair.df:.1f}",
        "-" if pair.verdict.p is None else p_value(pair.verdict.p),
    )
    return title, "-", wording.number(metric, pair.difference, places), "-", f"{ends}{level}", *numbers, pair.word


def p_value(p: float) -> str:
    """Return a p value for a reader."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def _verdict(found: Comparison, pair: Pair) -> Iterator[str]:
    """Yield the verdict of a pair, what would change it, and its audit."""
    yield pair.sentence
    if pair.within is not None:
        yield _one_more(found, pair)
    if pair.remedy:
        yield f"what would change it: {pair.remedy.text}"
    if pair.forecast:
        yield pair.forecast.text
    yield f"P({pair.a} beats {pair.b}) = {pair.beats:.2f} over all pairs of runs{_parts(pair)}"
    yield from (each.why for each in pair.naive if each.why)
    yield f"budget: {'; '.join(_budgets(pair.audit))}"
    yield from (f"audit: {line}" for line in _audit(pair.audit))
    yield from _explored(found, pair)


def _explored(found: Comparison, pair: Pair) -> Iterator[str]:
    """Yield H of each corruption, which is exploratory."""
    if not pair.explored:
        return
    yield (
        f"exploratory, without a verdict: H of {pair.a} against {pair.b} by corruption, with 95 % intervals and p "
        "values after Benjamini and Hochberg (* is below 0.05)"
    )
    for each in pair.explored:
        places = wording.decimals_of(found.metric, each.interval, each.difference)
        among = f" (mean of {each.corruptions})" if each.corruptions > 1 else ""
        among += f", n = {each.examples:,}" if each.examples < found.examples else ""
        p = "" if each.adjusted is None else f", p = {p_value(each.adjusted)}"
        mark = " *" if each.marked else ""
        ends = wording.within(found.metric, each.interval, 0.95, places)
        yield f"  {each.name}{among}: {wording.amount(found.metric, each.difference, places)} ({ends}{p}){mark}"


def _parts(pair: Pair) -> str:
    """Return the share of the variance that the test examples cause."""
    if not pair.se or pair.examples_part is None or pair.procedure != "crossed":
        return ""
    return f"; the test examples cause {100 * pair.examples_part / pair.se**2:.0f} % of SE^2, and the seeds the rest"


def _one_more(found: Comparison, pair: Pair) -> str:
    arms = {arm.title: arm for arm in found.arms}
    alone, others = sorted((arms[pair.a], arms[pair.b]), key=lambda arm: len(arm.results))
    assert others.one_more, "an arm with several runs has this interval"
    low, high = (wording.result(found.metric, end, 2) for end in others.one_more)
    where = "inside" if pair.within else "outside"
    return f"the run of {alone.title} is {where} the interval of one more run of {others.title} ({low} to {high})"


def _budgets(audit: Audit) -> Iterator[str]:
    for each in audit.budgets:
        if each.a is not None and each.b is not None:
            values = f"{_budget(each, each.a)} and {_budget(each, each.b)}"
            name = "training time" if each.name == "seconds" else each.name
            yield f"{name} {values}{_matched(each)}"


def _budget(budget: Budget, value: float) -> str:
    forms = {"parameters": f"{value:,.0f}", "seconds": spoken(value), "dollars": f"{value:,.2f}"}
    return forms.get(budget.name, f"{value:.3g}")


def _matched(budget: Budget) -> str:
    if budget.ratio is None or budget.name not in ("parameters", "training FLOPs"):
        return ""
    apart = 100 * (1 - min(budget.ratio, 1 / budget.ratio))  # of the larger one
    return f" ({'matched' if budget.matched else 'not matched'}: {apart:.2g} % apart)"


def _audit(audit: Audit) -> Iterator[str]:
    for differs, what in (("confound", "differs also in"), ("harmless", "harmless differences")):
        if differences := audit.of(differs):
            yield f"{what} {'; '.join(each.line for each in differences)}"
    yield from (each.text for each in audit.findings)


def _once(found: Comparison) -> list[str]:
    """Return the lines about all pairs: the look, how it was made, and the runs that are excluded."""
    look = [found.look.line] if found.look else []
    return [*look, *found.notes, *(each.line for each in found.exclusions)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _tex(text: str) -> str:
    return text.translate(_LATEX)
