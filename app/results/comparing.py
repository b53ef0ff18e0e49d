"""The comparison of architectures: which procedure fits the data, and its verdict for each pair of arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..artifacts.index import Entry
from ..errors import InputError
from ..statistics import crossed
from ..statistics.crossed import Target
from ..statistics.verdict import Verdict
from . import audit, clumped, exploring, forecast, joining, tuning, wording
from .arms import Arm, Chosen
from .comparison import OUTSIDE, ArmResult, Comparison, Pair
from .forecast import Forecast
from .joining import Table
from .looks import Look
from .metrics import Metric, metric_of
from .naive import naive
from .procedure import Pairing, Part, paired_arms, pairs_of, words
from .remedy import remedy, unlearned

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user asks of a comparison. The margin `delta` is in shown units: points of a rate."""

    metric: str | None = None
    delta: float | None = None
    target: Target = "examples"
    usd_per_hour: float | None = None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The arms of one dataset by one metric with the estimate of each pair, before the verdicts of the family."""

    chosen: Chosen
    asked: Asked
    part: Part
    look: Look | None = None  # at a study

    @property
    def level(self) -> float:
        """The level of the family's intervals that the look allows."""
        return self.look.level if self.look else LEVEL


def draft(chosen: Chosen, *, asked: Asked | None = None) -> Draft:
    """Return the estimates of the arms. Raises InputError for arms that are not comparable, and Damaged."""
    asked, arms = asked or Asked(), chosen.arms
    audit.require_comparable(arms)
    _require_folds(arms)
    config = arms[0].config
    metric = metric_of(asked.metric, task_name=config.task, classes=config.classes)
    table = joining.table(arms, metric)
    pairings = tuple(paired_arms(table, a, b, asked.target) for a, b in pairs_of(arms))
    delta = _margin(metric, asked.delta, table, pairings)
    return Draft(chosen=chosen, asked=asked, part=Part(table, pairings, delta))


def of_family(drafts: Sequence[Draft], entries: Sequence[Entry]) -> list[Comparison]:
    """Return the comparisons of several datasets or metrics, whose pairs are one family."""
    level = max(each.level for each in drafts)
    found = words([each.part for each in drafts], level=level)
    tested = sum(each.estimate.p is not None for draft in drafts for each in draft.part.pairings)
    return [_comparison(each, verdicts, entries, level, tested) for each, verdicts in zip(drafts, found, strict=True)]


def compare(
    chosen: Chosen, entries: Sequence[Entry], *, asked: Asked | None = None, look: Look | None = None
) -> Comparison:
    """Return the comparison of the arms. `entries` are those of all runs in the folder, and `look` that at a study.

    Raises InputError for arms that are not comparable, and Damaged for damaged predictions.
    """
    return of_family([replace(draft(chosen, asked=asked), look=look)], entries)[0]


def _comparison(
    found: Draft, verdicts: Sequence[Verdict], entries: Sequence[Entry], level: float, family: int
) -> Comparison:
    (table, pairings, delta), arms = found.part, found.chosen.arms
    pairs = [
        _pair(table, arms, pairing, word, entries=entries, asked=found.asked, delta=delta, look=found.look)
        for pairing, word in zip(pairings, verdicts, strict=True)
    ]
    config = arms[0].config
    return Comparison(
        dataset=config.dataset, data_version=arms[0].runs[0].record.data.version, metric=table.metric,
        target=found.asked.target, level=level, examples=table.examples,
        groups=table.examples if table.groups is None else len(np.unique(table.groups)), family=family,
        arms=tuple(_arm(arm, table, number, found.asked, pairings) for number, arm in enumerate(arms)),
        pairs=tuple(pairs), look=found.look, exclusions=found.chosen.exclusions,
        notes=tuple(_notes(table, arms, family)),
    )  # fmt: skip


def _require_folds(arms: Sequence[Arm]) -> None:
    if len({arm.of_folds for arm in arms}) > 1:
        one, other = (next(arm for arm in arms if arm.of_folds is folds) for folds in (True, False))
        raise InputError(
            f"{one.title} has runs of --folds and {other.title} has not. Compare runs that are tested in the same way"
        )


def _margin(metric: Metric, asked: float | None, table: Table, pairings: Sequence[Pairing]) -> float | None:
    """Return the margin in the metric's unit, None if there is none. Runs that did not learn do not widen it."""
    if asked is not None:
        return asked / metric.scale
    if metric.delta is None or not metric.relative:
        return metric.delta
    learned = [number for number in range(len(table.arms)) if any(_learned(number, pairings) or [True])]
    results = np.concatenate([_kept(table, number, pairings) for number in learned])
    return metric.delta * float(np.mean(results)) or None


def _pair(
    table: Table, arms: Sequence[Arm], pairing: Pairing, found: Verdict, *, entries: Sequence[Entry], asked: Asked,
    delta: float | None, look: Look | None,
) -> Pair:  # fmt: skip
    a, b, estimate, metric = pairing.a, pairing.b, pairing.estimate, table.metric
    one, other = arms[a], arms[b]
    word = OUTSIDE if look and not look.planned and found.word not in ("identical", "one seed") else found.word
    about = audit.audited(one, other, tuning.findings(one, other, entries), usd_per_hour=asked.usd_per_hour)
    results = table.results(a), table.results(b)
    sentence = wording.sentence(
        one.title, other.title, metric=metric, verdict=found, word=word, difference=estimate.difference, delta=delta,
        target=pairing.procedure if pairing.procedure in ("Welch", "folds") else asked.target,
    )  # fmt: skip
    apart = clumped.of(pairing, one.title, other.title) if pairing.clumps else None
    sentence = f"{apart.text} {sentence}" if apart else sentence
    return Pair(
        a=one.title, b=other.title, procedure=pairing.procedure, difference=estimate.difference, verdict=found,
        word=word, se=None if pairing.unlearned else estimate.se, df=None if pairing.unlearned else estimate.df,
        examples_part=_known(estimate.examples_part),
        p=found.p if estimate.p is None or pairing.unlearned else estimate.p, delta=delta,
        beats=crossed.beats(*results), within=_within(*results),
        sentence=f"{sentence} {about.also}" if about.also else sentence,
        remedy=_remedy(pairing, about, metric, word=word, delta=delta, level=found.level),
        forecast=_forecast(table, arms, pairing, about, entries, word, found.level),
        naive=naive(table, pairing, alpha=1 - found.level), clumps=apart, audit=about,
        explored=exploring.explored(table, one, other),
    )  # fmt: skip


def _within(a: np.ndarray, b: np.ndarray) -> bool | None:
    """Return whether the result of an arm with one run is in the interval of one more run of the other arm."""
    alone, others = sorted((a, b), key=len)
    if len(alone) != 1 or len(others) < 2:
        return None
    low, high = crossed.one_more_run(others)
    return bool(low <= alone[0] <= high)


def _remedy(
    pairing: Pairing, about: audit.Audit, metric: Metric, *, word: str, delta: float | None, level: float
) -> Any:
    if word not in ("undecided", "one seed"):
        return None
    if pairing.unlearned:
        return unlearned()
    named = wording.margin(metric, delta) if delta else ""
    return remedy(
        pairing.estimate, about.budgets, delta=delta, level=level, margin=named, of_folds=pairing.folded is not None,
        of_examples=pairing.procedure not in ("test set", "Welch"),
    )  # fmt: skip


def _forecast(
    table: Table, arms: Sequence[Arm], pairing: Pairing, about: audit.Audit, entries: Sequence[Entry], word: str,
    level: float,
) -> Forecast | None:  # fmt: skip
    """Return what three seeds of each would give where an arm has one, None without pilots and for folds."""
    if word != "one seed" or pairing.folded or not table.same_rows:
        return None
    others = {arm.title: table.results(number) for number, arm in enumerate(arms)}
    configs = [arms[pairing.a].config, arms[pairing.b].config]
    pilots = forecast.pilot(table.metric, others, configs, entries)
    if pilots is None:
        return None
    return forecast.forecast(pilots, pairing.estimate, table.metric, about.budgets, level=level)


def _arm(arm: Arm, table: Table, number: int, asked: Asked, pairings: Sequence[Pairing]) -> ArmResult:
    results = np.array([each.result for each in table.arms[number]])
    kept = _kept(table, number, pairings)
    budgets = audit.budgets(arm, arm, usd_per_hour=asked.usd_per_hour)
    record = arm.runs[0].record
    several = len(kept) > 1 and not arm.of_folds
    return ArmResult(
        title=arm.title, model=record.model, size=record.size, run_ids=arm.run_ids, seeds=arm.seeds,
        results=tuple(map(float, results)), learned=_learned(number, pairings), mean=float(kept.mean()),
        sd=float(kept.std(ddof=1)) if len(kept) > 1 else None,
        one_more=table.metric.cut(crossed.one_more_run(kept)) if several else None,
        parameters=record.parameters.total,
        budget={each.name: each.a for each in budgets if each.name != "parameters"},
    )  # fmt: skip


def _kept(table: Table, number: int, pairings: Sequence[Pairing]) -> np.ndarray:
    """Return the results of an arm's runs that learned, or of all if none did."""
    results, apart = np.array([each.result for each in table.arms[number]]), _learned(number, pairings)
    return results[np.array(apart)] if apart and any(apart) else results


def _learned(number: int, pairings: Sequence[Pairing]) -> tuple[bool, ...] | None:
    """Return which runs of an arm learned, or None if no run of its first pair failed to."""
    found = ((each.clumps, number == each.a) for each in pairings if number in (each.a, each.b))
    return next((clumps.learned[0 if is_a else 1] for clumps, is_a in found if clumps), None)


def _notes(table: Table, arms: Sequence[Arm], family: int) -> Iterator[str]:
    """Yield what a reader must know of how the comparison was made."""
    if not table.same_rows:
        yield (
            "WARNING: the runs have different test sets, so their examples cannot be paired. Welch's t test over the "
            "runs is used"
        )
    if table.corrupted:
        yield from table.corrupted.notes(table.metric, table.examples, table.first.tested)
    if table.groups is not None:
        groups = _counted(len(np.unique(table.groups)), "group")
        of = f"{table.examples:,} test rows are of {groups} ({table.alike[0].about})"
        single = table.metric.name == "top1" and max(map(len, table.arms)) == 1
        unless = ", except in McNemar's test" if single else ""
        yield f"{of}, and each group counts as one example{unless}"
    yield from dict.fromkeys(each.gap for each in table.alike if each.gap)
    if len(pairs_of(arms)) < len(arms) * (len(arms) - 1) // 2:
        yield "Models of different sizes are not compared with each other. Name two of them to compare them"
    if family > 1:
        pairs = len(pairs_of(arms))
        of = "all pairs" if family == pairs else f"the {family} pairs with a p value"
        if family > pairs:
            of = f"all {family} pairs of all datasets and metrics"
        yield f"Verdicts follow p values after Holm's adjustment for {of}. Intervals are simultaneous (Bonferroni)"
    if max(len(arm) for arm in table.arms) < 10:
        yield "P(A beats B) is a share of pairs of runs. With fewer than 10 runs of each it is coarse"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
