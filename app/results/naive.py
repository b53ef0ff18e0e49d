"""Tests that are common and answer another question, and why their answer differs from the comparison's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..statistics import crossed, paired
from ..statistics.crossed import Estimate
from .joining import Table
from .procedure import Pairing


@dataclass(frozen=True, kw_only=True)
class Naive:
    """A test's two-sided p value, and a sentence if it answers otherwise than the comparison."""

    test: str
    p: float
    why: str  # empty if both answers agree


def naive(found: Table, pairing: Pairing, *, alpha: float) -> tuple[Naive, ...]:
    """Return Welch's t over runs and, of top-1 accuracy, McNemar's test of the first runs and of all pairs."""
    a, b, estimate = pairing.a, pairing.b, pairing.estimate
    if found.first.folds is not None or pairing.unlearned:
        return ()  # a t test over folds counts the training rows that they share several times
    ours = estimate.p is not None and estimate.p < alpha
    tests: list[tuple[str, float, str]] = []
    over_runs = crossed.welch(*_results(found, pairing)).p
    if over_runs is not None and found.same_rows:
        tests.append(("Welch", over_runs, _of_welch(found, estimate)))
    rates = found.metric.name == "top1"
    correct_a, correct_b = (found.correct(arm) if rates else None for arm in (a, b))
    if correct_a is not None and correct_b is not None and found.same_rows:
        first = paired.mcnemar(correct_a[0], correct_b[0]).p_exact
        tests.append(("McNemar", first, _of_mcnemar(found, a, b)))
        runs = min(len(correct_a), len(correct_b))
        if runs > 1:
            both = paired.mcnemar(correct_a[:runs].reshape(-1), correct_b[:runs].reshape(-1)).p_exact
            tests.append(("pooled McNemar", both, _of_pooled(found, runs)))
    return tuple(Naive(test=name, p=p, why=_why(name, p, why, ours, alpha)) for name, p, why in tests)


def _results(found: Table, pairing: Pairing) -> list[np.ndarray]:
    """Return the results of both arms, of the runs that are compared."""
    results = [found.results(pairing.a), found.results(pairing.b)]
    if not pairing.clumps:
        return results
    return [each[np.array(learned)] for each, learned in zip(results, pairing.clumps.learned, strict=True)]


def _why(name: str, p: float, why: str, ours: bool, alpha: float) -> str:
    if (p < alpha) == ours:
        return ""
    names = {
        "Welch": "A t test over the runs (Welch)", "McNemar": "McNemar's test of the first run of each",
        "pooled McNemar": "McNemar's test over all pairs of runs",
    }  # fmt: skip
    return f"{names[name]} gives p = {p:.2g}: {why}"


def _of_welch(found: Table, estimate: Estimate) -> str:
    share = 100 * estimate.examples_part / estimate.se**2 if estimate.se else float("nan")
    part = f", which is {share:.0f} % of the variance here" if np.isfinite(share) else ""
    return f"it answers for these {found.examples:,} test examples only, and omits what other examples change{part}"


def _of_mcnemar(found: Table, a: int, b: int) -> str:
    ids = found.arms[a][0].run_ids[0], found.arms[b][0].run_ids[0]
    return f"it compares two files of weights ({ids[0]} and {ids[1]}), and other seeds give others"


def _of_pooled(found: Table, runs: int) -> str:
    return f"it counts each of {found.examples:,} test examples {runs} times, as if {runs} runs were {runs} test sets"
