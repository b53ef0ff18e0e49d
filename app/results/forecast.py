"""What three seeds of each model would give where a comparison has one: from the spread of other runs, the pilots."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ..artifacts.index import Entry
from ..config.run import RunConfig
from ..config.settings import declared
from ..statistics import planning
from ..statistics.crossed import Estimate, standard_error
from ..system.duration import spoken
from . import wording
from .arms import ARCHITECTURE, titles_of
from .audit import Budget
from .metrics import Metric
from .remedy import WANTED, price

SEEDS = 3
_REPLICATE = "seed"
_VOIDS = tuple(field.name for field in dataclasses.fields(RunConfig) if declared(field).differs == "voids")
_IN_RECORDS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "top1": lambda test: test.get("top1"), "top3": lambda test: test.get("top3"), "top5": lambda test: test.get("top5"),
    "balanced-accuracy": lambda test: test.get("balanced_accuracy"), "rmse": lambda test: test.get("rmse"),
    "log-mse": lambda test: 2 * math.log(test["rmse"]) if test.get("rmse") else None,
    "mae": lambda test: test.get("mae"), "r2": lambda test: test.get("r2"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """The spread of a run's result over seeds, pooled over architectures: `v = sum (k - 1) v_m / sum (k - 1)`."""

    sd: float  # in the metric's unit
    runs: int
    source: str  # for a reader


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What three seeds of each model would give, in the metric's unit.

    Each range is from a part of the test examples of 0 to the largest one that the runs at hand allow.
    """

    seeds: int  # of each
    sd: float  # of a run, by the pilots
    pilot_runs: int
    half: tuple[float, float]  # half-width of the 95 % interval
    detected: tuple[float, float]  # least difference with 80 % power
    more: tuple[int, int]  # further runs of A and B
    seconds: float | None  # of the further runs
    dollars: float | None
    text: str


def pilot(
    metric: Metric, others: Mapping[str, np.ndarray], configs: Sequence[RunConfig], entries: Sequence[Entry]
) -> Pilot | None:
    """Return the pilots of arms with these configs, or None.

    They are the runs of several seeds in the comparison itself, `others` (k,) by title; else those of the same
    architectures on the same data in the folder; else those of other architectures there.
    """
    if found := _pooled({title: each for title, each in others.items() if len(each) > 1}):
        return found
    own, rest = _groups(metric, configs, entries)
    return _pooled(own) or _pooled(rest)


def forecast(
    pilots: Pilot, estimate: Estimate, metric: Metric, budgets: tuple[Budget, ...], *, level: float
) -> Forecast:
    """Return what three seeds of each would give. An arm with several runs keeps its spread."""
    v = [sd**2 if np.isfinite(sd) else pilots.sd**2 for sd in estimate.sds]
    w = estimate.examples_part if np.isfinite(estimate.examples_part) else 0.0
    ends = (0.0, w)
    half = tuple(_half(v, each, level) for each in ends)
    detected = tuple(planning.least_difference(SEEDS, v[0], v[1], each, wanted=WANTED, level=level) for each in ends)
    more = (max(0, SEEDS - estimate.seeds[0]), max(0, SEEDS - estimate.seeds[1]))
    took, cost = (price(name, budgets, more) for name in ("seconds", "dollars"))
    spread = wording.amount(metric, pilots.sd, wording.decimals(metric.scale * pilots.sd))
    text = (
        f"forecast for {SEEDS} seeds of each, if a run's sd is {spread} as in {pilots.source}: the {100 * level:.4g} % "
        f"interval would be the difference -+ {_range(metric, half)}, and a true difference of "
        f"{_range(metric, detected)} would be detected with 80 % power. The range is that of the test examples' part, "
        f"which one seed does not show. {_further(more, took, cost)}"
    )
    return Forecast(
        seeds=SEEDS, sd=pilots.sd, pilot_runs=pilots.runs, half=(half[0], half[1]),
        detected=(detected[0], detected[1]), more=more, seconds=took, dollars=cost, text=text,
    )  # fmt: skip


def _half(v: Sequence[float], w: float, level: float) -> float:
    se, df = standard_error((v[0], v[1]), (SEEDS, SEEDS), w, 0)
    return 0.0 if np.isnan(se) else float(stdtrit(df, (1 + level) / 2) * se)


def _range(metric: Metric, ends: Sequence[float]) -> str:
    low, high = sorted(ends)
    places = wording.decimals(metric.scale * low or metric.scale * high)
    first, last = wording.number(metric, low, places), wording.number(metric, high, places)
    return wording.amount(metric, low, places) if first == last else f"{first} to {last} {metric.unit}".strip()


def _further(more: tuple[int, int], took: float | None, cost: float | None) -> str:
    count = sum(more)
    parts = [f"{count} further run{'' if count == 1 else 's'}"] + ([spoken(took)] if took is not None else [])
    return ", ".join(parts + ([f"{cost:,.2f} USD"] if cost is not None else []))


def _pooled(groups: Mapping[str, np.ndarray]) -> Pilot | None:
    """Return the pooled spread of groups of results, or None without a group of two."""
    if not groups:
        return None
    df = sum(len(each) - 1 for each in groups.values())
    square = sum(float(each.var(ddof=1)) * (len(each) - 1) for each in groups.values()) / df
    runs = sum(map(len, groups.values()))
    titles = list(dict.fromkeys(groups))
    named = " and ".join(titles) if len(titles) < 3 else f"{len(titles)} models"
    return Pilot(sd=math.sqrt(square), runs=runs, source=f"{runs} runs of {named}") if square > 0 else None


def _groups(
    metric: Metric, configs: Sequence[RunConfig], entries: Sequence[Entry]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the results of runs that differ in their seed only: of these architectures, and of others."""
    if metric.name not in _IN_RECORDS:
        return {}, {}
    data = _key(configs[0].to_json(), _VOIDS)
    wanted = {_key(config.to_json(), ARCHITECTURE) for config in configs}
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.status == "done" and entry.config.get("folds") is None and _key(entry.config, _VOIDS) == data:
            rest = [name for name in entry.config if name != _REPLICATE]
            groups.setdefault(_key(entry.config, rest), []).append(entry)
    found: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
    for members in groups.values():
        results = np.array([*_results(metric, members)])
        if len(results) > 1:
            (title,) = titles_of([RunConfig.from_json(members[0].config)])
            part = found[0 if _key(members[0].config, ARCHITECTURE) in wanted else 1]
            part[title if title not in part else f"{title}, configuration {len(part) + 1}"] = results
    return found


def _results(metric: Metric, members: Sequence[Entry]) -> Iterator[float]:
    """Yield the result of each seed by a metric, from the records' tests."""
    by_seed = {entry.config[_REPLICATE]: entry for entry in members}
    for entry in by_seed.values():
        value = _IN_RECORDS[metric.name](entry.results.get("test") or {})
        if isinstance(value, int | float) and math.isfinite(value):
            yield float(value)


def _key(config: Mapping[str, Any], names: Sequence[str]) -> str:
    return json.dumps([[name, config.get(name)] for name in sorted(names)], default=str)
