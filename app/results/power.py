"""The seeds that a comparison needs, planned before it is made: from pilot runs, or from stated variances."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .. import task
from ..errors import InputError
from ..statistics import planning
from ..statistics.crossed import Estimate
from ..system.duration import spoken
from . import audit, joining, wording
from .arms import Arm
from .audit import dollars, seconds
from .joining import Table
from .metrics import METRICS, Metric, metric_of
from .procedure import paired_arms

_SHOWN = (3, 5, 10)  # seeds for which the least detectable difference is printed
WANTED = 0.8
_MOST = 1e9  # of a stated standard deviation
_MANY = 1000  # classes: a stated spread is of any number of them


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The variances that a plan starts from, in the metric's unit squared, and what they are from."""

    metric: Metric
    runs: tuple[float, float]  # v of each arm: variance of a run's result
    examples: float | None  # w, of the difference by the choice of n test examples; None: unknown
    n: int | None  # test examples
    pilot: tuple[int, int] | None  # runs that the variances are from; None: stated
    seconds: float | None = None  # of a run
    dollars: float | None = None  # of a run
    source: str = ""
    mean: float | None = None  # result of the pilot; None: stated

    @property
    def known_examples(self) -> float:
        """The examples' part, 0 if it is unknown."""
        return self.examples or 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many seeds of each model detect a difference, and which differences other numbers of seeds detect."""

    metric: str
    delta: float  # in the metric's unit
    seeds: int | None  # of each model; None: more than 50, or no number
    seeds_upper: int | None  # with the upper limit of the pilot's variance
    examples: int | None  # the least number of test examples, if no number of seeds can do it
    least: dict[int, float]  # seeds of each model -> least difference that is detected
    seconds: float | None  # of all runs
    dollars: float | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the plan for a machine."""
        return asdict(self) | {"least": {str(seeds): each for seeds, each in self.least.items()}, "power": WANTED}


def of_runs(arms: tuple[Arm, ...], metric_name: str | None, usd_per_hour: float | None) -> Spread:
    """Return the spread of pilot runs: of two architectures, or of one, whose examples' part is unknown.

    Runs of a regression that did not learn are omitted. Raises InputError for fewer than two runs of an architecture,
    for runs that do not vary, and for several test sets.
    """
    for arm in arms:
        if len(arm.runs) < 2 or arm.of_folds:
            raise InputError(f"--like needs two or more seeds of a model, and {arm.title} has {len(arm.seeds)}")
    audit.require_comparable(arms)
    config = arms[0].config
    metric = metric_of(metric_name, task_name=config.task, classes=config.classes)
    table = joining.table(arms, metric)
    other = 1 if len(arms) > 1 else 0
    found = _pilot(table, other)
    records = [run.record for arm in arms for run in arm.runs]
    source = " and ".join(f"{count} runs of {arm.title}" for count, arm in zip(found.seeds, arms, strict=False))
    known = len(arms) > 1 and math.isfinite(found.examples_part)
    return Spread(
        metric=metric, runs=(found.sds[0] ** 2, found.sds[1] ** 2), examples=found.examples_part if known else None,
        n=table.examples, pilot=found.seeds if other else (found.seeds[0], 1), mean=abs(float(np.mean(found.means))),
        seconds=_mean([seconds(each) for each in records]),
        dollars=_mean([dollars(each, usd_per_hour) for each in records]), source=source,
    )  # fmt: skip


def _pilot(table: Table, other: int) -> Estimate:
    """Return the estimate of two arms of pilot runs, or of one and itself."""
    if not table.same_rows:
        raise InputError("the runs of --like have different test sets. Name runs with one test set")
    found = paired_arms(table, 0, other, "examples").estimate
    if min(found.seeds) < 2:
        raise InputError("--like needs two or more runs of a model that learned. Name others, or state --sd")
    if not any(found.sds):
        raise InputError(
            "the runs of --like have equal results, so the spread over seeds is unknown. Name more runs, or state --sd"
        )
    return found


def stated(metric_name: str | None, *, sd: float, examples_sd: float | None, n: int | None) -> Spread:
    """Return the spread that a user states, in shown units: points of a rate.

    `sd` is that of a run's result over seeds, and `examples_sd` that of the models' expected difference over examples.
    """
    for option, spread in (("--sd", sd), ("--examples-sd", examples_sd)):
        if spread is not None and not spread <= _MOST:
            raise InputError(f"{option} {spread:g} is too large. Use at most {_MOST:g}")
    if not sd and not examples_sd:
        raise InputError("--sd 0 means that runs never differ, so one seed suffices. State a number above 0")
    name = metric_name or "top1"
    known = METRICS.get(name)
    metric = metric_of(name, task_name=known.task if known else task.classes.name, classes=_MANY)
    if examples_sd is not None and n is None:
        raise InputError("--examples-sd needs the number of test examples. Give --examples, or --dataset")
    w = None if examples_sd is None or n is None else (examples_sd / metric.scale) ** 2 / n
    v = (sd / metric.scale) ** 2
    return Spread(metric=metric, runs=(v, v), examples=w, n=n, pilot=None, source="the stated standard deviations")


def plan(spread: Spread, delta: float | None) -> Plan:
    """Return the seeds that detect a difference of `delta` (in shown units) with 80 % power at 95 %.

    Raises InputError if the metric has no default margin and none is given.
    """
    metric, runs = spread.metric, spread.runs
    margin = _default(spread) if delta is None else delta / metric.scale
    if not margin:
        raise InputError(
            f"--metric {metric.name} has no default margin here. Give --delta, the difference that matters"
        )
    needed = planning.needed_seeds(*runs, spread.known_examples, margin, examples=spread.n or 1, runs=spread.pilot)
    count = 2 * needed.seeds if needed.seeds else None
    took, cost = (None if each is None or count is None else each * count for each in (spread.seconds, spread.dollars))
    least = {seeds: _least(spread, seeds) for seeds in sorted({*_SHOWN, *([needed.seeds] if needed.seeds else [])})}
    lines = [*_needed(spread, needed, margin), *_costs(count, took, cost), *_detected(metric, least), _scope(spread)]
    return Plan(
        metric=metric.name, delta=margin, seeds=needed.seeds, seeds_upper=needed.seeds_upper,
        examples=needed.examples if spread.n else None, least=least, seconds=took, dollars=cost, text="\n".join(lines),
    )  # fmt: skip


def _default(spread: Spread) -> float | None:
    """Return the metric's default margin, a part of the pilot's result for the RMSE; None if there is none."""
    metric = spread.metric
    if metric.delta is None or not metric.relative:
        return metric.delta
    return None if spread.mean is None else metric.delta * spread.mean


def _least(spread: Spread, seeds: int) -> float:
    """Return the least difference that so many seeds detect with 80 % power."""
    return planning.least_difference(seeds, *spread.runs, spread.known_examples, wanted=WANTED)


def _needed(spread: Spread, needed: planning.Needed, margin: float) -> Iterator[str]:
    shown = wording.margin(spread.metric, margin)
    if needed.examples is not None:
        least = f": at least {needed.examples:,} test examples are needed, not {spread.n:,}" if spread.n else ""
        yield f"No number of seeds detects {shown} with 80 % power{least}."
    elif needed.seeds is None:
        yield f"More than {needed.most_seeds} seeds of each model are needed to detect {shown} with 80 % power."
    else:
        upper = needed.seeds_upper or f"more than {needed.most_seeds}"
        within = f" (up to {upper}, since the pilot's variance is uncertain)" if spread.pilot else ""
        yield f"{needed.seeds} seeds of each model{within} detect a difference of {shown} with 80 % power."
        yield from _looks(spread, needed.seeds, margin)


def _looks(spread: Spread, seeds: int, margin: float) -> Iterator[str]:
    """Yield the plan of two looks, at the pilot's seeds and at those that the level of two looks needs."""
    pilot = spread.pilot and max(2, *spread.pilot)
    if pilot and pilot >= seeds:
        yield f"If the pilot's runs are compared, plan one look at them: --looks {pilot}."
    elif pilot:
        level = planning.look_level(2)
        last = planning.needed_seeds(
            *spread.runs, spread.known_examples, margin, examples=spread.n or 1, level=level
        ).seeds  # fmt: skip
        if last:
            yield (
                f"If the pilot's runs are compared too, plan both looks: --looks {pilot},{last}. Each then has a "
                f"{100 * level:.4g} % interval, which needs {last} seeds of each model."
            )


def _costs(runs: int | None, took: float | None, cost: float | None) -> Iterator[str]:
    if runs is not None and took is not None:
        price = "" if cost is None else f", {cost:,.2f} USD"
        yield f"These {runs} runs train for {spoken(took)}{price}."


def _detected(metric: Metric, least: dict[int, float]) -> Iterator[str]:
    for seeds, each in least.items():
        places = wording.decimals(metric.scale * each)
        yield f"{seeds} seeds of each detect {wording.amount(metric, each, places)} or more."


def _scope(spread: Spread) -> str:
    if spread.examples is not None:
        return f"From {spread.source}, n = {spread.n:,} test examples: for new seeds and new test examples."
    why = "the variance that the test examples cause is unknown" if spread.pilot else "--examples-sd is not given"
    return f"From {spread.source}: for new seeds on one test set only, because {why}."


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
