"""Comparisons of several datasets or metrics as text, Markdown, LaTeX and CSV: a forest table, then each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..results import wording
from ..results.comparison import Comparison, Pair
from ..results.family import Family
from ..system.columns import columns
from . import verdicts

HEADS = ("dataset", "metric", "pair", "D", "interval", "p", "verdict")
_WIDTH = 33  # characters of a bar
_UNKNOWN = " " * _WIDTH


def shown(found: Comparison | Family, form: str) -> str:
    """Return a comparison, or a family of comparisons, in one of the formats."""
    if isinstance(found, Comparison):
        return verdicts.shown(found, form)
    return {"text": _text, "md": _markdown, "latex": _latex, "csv": _csv}[form](found)


def rows(found: Family) -> list[tuple[str, ...]]:
    """Return the cells of the forest table: one row per dataset, metric and pair."""
    return [
        (each.dataset, each.metric.title, f"{pair.a} against {pair.b}", *_numbers(each, pair), pair.word)
        for each in found.comparisons for pair in each.pairs
    ]  # fmt: skip


def title(found: Family) -> str:
    """Return what the family is."""
    datasets = len(dict.fromkeys(each.dataset for each in found.comparisons))
    metrics = len(dict.fromkeys(each.metric.name for each in found.comparisons))
    kinds = {"pair": found.pairs, "dataset": datasets, "metric": metrics}
    counts = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in kinds.items())
    return (
        f"one family of comparisons ({counts}): p values are adjusted by Holm's method, intervals are simultaneous "
        "(Bonferroni). D is positive if the first model is better"
    )


def remarks(found: Family) -> list[str]:
    """Return the remarks on all datasets: signs, and datasets that are not compared."""
    several = len(dict.fromkeys(each.dataset for each in found.comparisons)) > 1
    apart = ["Each dataset is a separate question. Results are not averaged over datasets"] if several else []
    return [*apart, *(each.line for each in found.signs), *found.notes]


def _text(found: Family) -> str:
    table = columns([*HEADS, "forest"], [[*row, bar] for row, bar in zip(rows(found), _bars(found), strict=True)],
                    left=("forest",))  # fmt: skip
    parts = [verdicts.text(each) for each in found.comparisons]
    return "\n".join([title(found), "", table, "", *remarks(found), *(f"\n\n{part}" for part in parts)])


def _markdown(found: Family) -> str:
    table = verdicts.markdown_table(HEADS, rows(found))
    lines = [title(found), "", *table, "", *(f"- {line}" for line in remarks(found))]
    return "\n".join([*lines, *(f"\n{verdicts.markdown(each)}" for each in found.comparisons)])


def _latex(found: Family) -> str:
    sentences = [pair.sentence for each in found.comparisons for pair in each.pairs]
    comments = [f"% {line}" for line in [title(found), *remarks(found), *sentences]]
    return "\n".join([*comments, verdicts.tabular(HEADS, rows(found), align="lllrrrl")])


def _csv(found: Family) -> str:
    return verdicts.as_csv(*found.comparisons)


def _numbers(comparison: Comparison, pair: Pair) -> tuple[str, str, str]:
    """Return the difference, its interval and the adjusted p value of a pair."""
    metric, interval = comparison.metric, pair.interval
    places = wording.decimals_of(metric, interval, pair.difference)
    ends = "-" if interval is None else " to ".join(wording.number(metric, end, places) for end in interval)
    level = "" if interval is None else f" ({100 * pair.verdict.level:.4g} %)"
    p = "-" if pair.verdict.p is None else verdicts.p_value(pair.verdict.p)
    return wording.amount(metric, pair.difference, places), f"{ends}{level}", p


def _bars(found: Family) -> Iterator[str]:
    """Yield the interval of each row as a bar; rows of one metric have one scale, with 0 in the middle."""
    reach: dict[str, float] = {}
    for each in found.comparisons:
        ends = [abs(end) for pair in each.pairs for end in pair.interval or (pair.difference,)]
        reach[each.metric.name] = max([reach.get(each.metric.name, 0.0), *ends])
    for each in found.comparisons:
        for pair in each.pairs:
            yield _bar(pair.interval, pair.difference, reach[each.metric.name])


def _bar(interval: Sequence[float] | None, difference: float, reach: float) -> str:
    """Return an interval as `|` at its ends and `o` at the difference; `:` is 0."""
    if reach == 0:
        return _UNKNOWN
    cells, middle = [" "] * _WIDTH, _WIDTH // 2

    def place(value: float) -> int:
        return middle + round(middle * value / reach)

    if interval:
        low, high = map(place, interval)
        cells[low : high + 1] = "-" * (high + 1 - low)
        cells[low] = cells[high] = "|"
    cells[middle] = ":" if cells[middle] in " -" else cells[middle]
    cells[place(difference)] = "o"
    return "".join(cells)
