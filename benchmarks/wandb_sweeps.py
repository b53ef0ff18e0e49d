"""Compares our quantiles and hyperband decisions with W&B's own package `sweeps`, which needs numpy below 2.

Version 0.2.0 of the package has another rule of hyperband: one epoch later, and without `strict`.

Run it in a separate environment:

    uv run --no-project --with "sweeps==0.3.0" --with msgspec --with scipy python benchmarks/wandb_sweeps.py
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from app.sweeps import hyperband, parameters, quantiles

DRAWS, HISTORIES = 100_000, 500
CASES: dict[str, dict[str, Any]] = {
    "constant": {"value": 3},
    "categorical": {"values": ["a", 2, 3.5, True, 7]},
    "categorical_w_probabilities": {"values": ["a", "b", "c"], "probabilities": [0.2, 0.5, 0.3]},
    "int_uniform": {"min": -3, "max": 11},
    "uniform": {"min": -0.5, "max": 2.0},
    "q_uniform": {"distribution": "q_uniform", "min": 0.012, "max": 0.05, "q": 0.005},
    "q_uniform of whole numbers": {"distribution": "q_uniform", "min": 32, "max": 512, "q": 32},
    "log_uniform": {"distribution": "log_uniform", "min": -9.0, "max": -2.0},
    "log_uniform_values": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
    "q_log_uniform": {"distribution": "q_log_uniform", "min": 0.0, "max": 6.0, "q": 4},
    "q_log_uniform_values": {"distribution": "q_log_uniform_values", "min": 1e-4, "max": 2e-3, "q": 1e-4},
    "inv_log_uniform": {"distribution": "inv_log_uniform", "min": 1.0, "max": 5.0},
    "inv_log_uniform_values": {"distribution": "inv_log_uniform_values", "min": 1e-4, "max": 1e-1},
    "normal": {"distribution": "normal", "mu": 2.0, "sigma": 3.0},
    "q_normal": {"distribution": "q_normal", "mu": 2.0, "sigma": 3.0, "q": 0.25},
    "log_normal": {"distribution": "log_normal", "mu": -1.0, "sigma": 0.5},
    "q_log_normal": {"distribution": "q_log_normal", "mu": 3.0, "sigma": 0.5, "q": 2},
    "beta": {"distribution": "beta", "a": 2.0, "b": 5.0},
    "q_beta": {"distribution": "q_beta", "a": 2.0, "b": 5.0, "q": 0.1},
}


def differences(its: dict[str, Any], draws: list[float]) -> tuple[int, float]:
    """Return how many values differ by more than 1e-12, relative, and the largest relative difference."""
    from sweeps.params import HyperParameter

    (ours,), theirs = parameters.of_mapping({"x": its}), HyperParameter("x", its)
    differ, largest = 0, 0.0
    one_by_one = ours.is_constant or "probabilities" in its  # theirs gives other values for an array
    references = [theirs.ppf(u) for u in draws] if one_by_one else list(theirs.ppf(np.array(draws)))
    for u, reference in zip(draws, references, strict=True):
        value = quantiles.quantile(ours.distribution, ours.its, u)
        if isinstance(value, str | bool) or value == reference:
            differ += value != reference
            continue
        distance = abs(value - reference) / max(abs(value), abs(reference))
        largest, differ = max(largest, distance), differ + (distance > 1e-12)
    return differ, largest


def histories(drawn: random.Random) -> tuple[dict[str, Any], list[tuple[str, list[float]]]]:
    """Return a random rule, and states and curves of random runs; some values are not numbers or are repeated."""
    rule: dict[str, Any] = {"type": "hyperband", "eta": drawn.choice([1.5, 2, 3, 4])}
    rule |= {"min_iter": drawn.randint(1, 4)} if drawn.random() < 0.5 else {"max_iter": drawn.randint(9, 40), "s": 2}
    rule |= {"strict": drawn.random() < 0.5} if drawn.random() < 0.7 else {}
    runs = []
    for _ in range(drawn.randint(1, 12)):
        curve = [round(drawn.gauss(0, 1), drawn.choice([0, 3])) for _ in range(drawn.randint(0, 30))]
        runs.append((drawn.choice(["running", "finished", "killed"]), curve))
    return rule, runs


def decisions_equal(rule: dict[str, Any], runs: list[tuple[str, list[float]]], goal: str) -> bool:
    """Return whether both stop the same running runs."""
    from sweeps.hyperband_stopping import hyperband_stop_runs
    from sweeps.run import SweepRun

    sign = -1 if goal == "maximize" else 1
    theirs = [
        SweepRun(name=str(at), state=state, sampledHistory=[{"m": value} for value in curve])
        for at, (state, curve) in enumerate(runs)
    ]
    config = {"method": "grid", "parameters": {"a": {"value": 1}}, "metric": {"name": "m", "goal": goal}}
    stopped = {int(run.name) for run in hyperband_stop_runs(theirs, config | {"early_terminate": dict(rule)})}
    costs = [[sign * value for value in curve] for _, curve in runs]
    ours, found = hyperband.of_mapping(rule), set()
    for at, (state, _) in enumerate(runs):
        decision = ours.decision(costs[at], costs[:at] + costs[at + 1 :])
        if state == "running" and decision and decision.stops:
            found.add(at)
    return found == stopped


def grids_equal(searched: dict[str, Any]) -> bool:
    """Return whether both try the same combinations in the same order."""
    import itertools

    from sweeps import next_runs

    ours = parameters.of_mapping(searched)
    mine = list(itertools.product(*(each.grid for each in ours)))
    runs = next_runs({"method": "grid", "parameters": searched}, [], n=len(mine) + 1)
    theirs = [tuple(run.config[each.name]["value"] for each in ours) for run in runs if run]
    return runs[-1] is None and len(mine) == len(theirs) and all(
        a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-12))
        for one, other in zip(mine, theirs, strict=True) for a, b in zip(one, other, strict=True)
    )  # fmt: skip


def main(say: Callable[[str], None] = print) -> int:
    """Print one line per distribution and one for the decisions; return 1 if anything differs."""
    from importlib.metadata import version

    drawn, wrong = random.Random(0), 0
    say(f"sweeps {version('sweeps')}, numpy {version('numpy')}, scipy {version('scipy')}")
    for name, its in CASES.items():
        differ, largest = differences(its, [drawn.random() or 0.5 for _ in range(DRAWS)])
        say(f"{name}: {DRAWS:,} draws, {differ} differ, largest relative difference {largest:.1e}")
        wrong += differ
    for goal in ("minimize", "maximize"):
        unequal = sum(not decisions_equal(*histories(drawn), goal) for _ in range(HISTORIES))
        say(f"hyperband, {goal}: {HISTORIES} random histories, {unequal} with other decisions")
        wrong += unequal
    grid = {name: CASES[name] for name in ("constant", "categorical", "int_uniform", "q_uniform")}
    same = grids_equal(grid)
    say(f"grid of {', '.join(grid)}: {'the same combinations in the same order' if same else 'other combinations'}")
    return int(bool(wrong) or not same)


if __name__ == "__main__":
    sys.exit(main())
