"""The ledger of a study: time, energy and price of its runs, and the price of a point where a model is better."""

from __future__ import annotations

from collections.abc import Iterator

from ...artifacts.runs import Run
from ...results.comparison import Pair
from ..document.parts import Block, Number, Paragraph, Section, Table, Text
from . import amounts
from .subject import Answer, Subject, ids

_SECONDS = {
    "training": "seconds.training",
    "of it waiting": "seconds.waiting",
    "test": "seconds.test",
    "lost": "seconds.lost",
}

_SHARED = "Runs at once on a GPU share its energy, and runs at once on a machine share its price, in equal parts."


def section(subject: Subject) -> Section | None:
    """Return the section, or None without finished runs."""
    if not subject.runs:
        return None
    groups: dict[str, list[Run]] = {}
    for run in subject.runs:
        config = run.config
        name = config.model if config.size == config.model else f"{config.model} {config.size}"
        groups.setdefault(name + (f" on {config.dataset}" if subject.several else ""), []).append(run)
    rows = [_row(name, runs) for name, runs in groups.items()]
    rows.append(_row("all finished runs", subject.runs))
    if subject.partial:
        rows += [
            _row("unfinished and failed runs", [*subject.partial]),
            _row("all runs", [*subject.runs, *subject.partial]),
        ]
    heads = ("model", "runs", *_SECONDS, "energy", "price")
    table = Table(caption="What the runs took", heads=heads, rows=tuple(rows), right=frozenset(range(1, len(heads))))
    notes = (*_machines(subject.runs), *_remarks(subject))
    return Section(key="ledger", title="Ledger", blocks=(table, *notes))


def _row(name: str, runs: list[Run]) -> tuple[Text, ...]:
    number = Number(text=f"{len(runs):,}", value=len(runs), runs=tuple(run.record.run_id for run in runs), path="runs")
    times = [amounts.total(runs, path, amounts.duration) for path in _SECONDS.values()]
    energy, price = (
        amounts.total(runs, "energy_kwh", amounts.kilowatt_hours),
        amounts.total(runs, "dollars", amounts.dollars),
    )
    return (name,), (number,), *times, _partly(energy, runs, "not measured"), _partly(price, runs, "not stated")


def _partly(total: Text, runs: list[Run], missing: str) -> Text:
    """Return a sum, with the number of runs that lack the value."""
    if total == amounts.NONE:
        return (missing,)
    known = len(total[0].runs) if isinstance(total[0], Number) else 0
    return total if known == len(runs) else (*total, f" ({len(runs) - known} {missing})")


def _machines(runs: list[Run]) -> Iterator[Block]:
    devices = dict.fromkeys(
        f"{place.device} ({place.precision}{_beside(place.jobs_per_device)})"
        for run in runs for place in run.record.places
    )  # fmt: skip
    yield Paragraph((f"Computed on {'; '.join(devices)}.",))


def _beside(runs: int | None) -> str:
    return f", {runs} runs at once, whose times are not those of runs alone" if runs else ""


def _remarks(subject: Subject) -> Iterator[Block]:
    text = (
        "Energy is that of the complete GPU, as its driver measures it. It is not estimated where it is not measured."
    )
    yield Paragraph((text,), "note")
    if any(place.jobs for run in subject.runs for place in run.record.places):
        yield Paragraph((_SHARED,), "note")
    for answer in subject.answers:
        for pair in answer.comparison.pairs if answer.comparison else ():
            if found := _price_of_a_point(answer, pair):
                yield Paragraph(found)


def _price_of_a_point(answer: Answer, pair: Pair) -> Text:
    """Return what a point of the better model costs in addition; nothing unless a model is better and costs more."""
    comparison = answer.comparison
    if (
        comparison is None
        or pair.word not in ("better", "worse")
        or not pair.interval
        or pair.interval[0] * pair.interval[1] <= 0
    ):
        return ()
    a, b = answer.of(pair)
    costs = a.budget.get("dollars"), b.budget.get("dollars")
    if costs[0] is None or costs[1] is None or not comparison.metric.rate:
        return ()
    more = (costs[0] - costs[1]) * (1 if pair.difference > 0 else -1)
    better, other = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
    if more <= 0:
        return (f"{better} is better than {other} and costs no more per run.",)
    ends = sorted(abs(end) for end in pair.interval)
    each = [more / (comparison.metric.scale * points) for points in (abs(pair.difference), ends[1], ends[0])]
    runs = ids([a, b])
    price, low, high = (
        amounts.computed(f"{value:,.3g}", value, runs, f"price-per-point.{name}")
        for value, name in zip(each, ("value", "low", "high"), strict=True)
    )
    level = f"{100 * pair.verdict.level:.4g}"
    return (f"A point of {better} over {other} costs ", price, f" USD more per run ({level} % interval ", low, " to ",
            high, " USD, from the interval of the difference).")  # fmt: skip
