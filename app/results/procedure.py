"""Which procedure compares two arms, by their runs: its estimate and its verdict."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..statistics import clumps, crossed, folds, paired
from ..statistics.clumps import Clumps
from ..statistics.crossed import Estimate, Target
from ..statistics.folds import Folded
from ..statistics.verdict import Verdict, verdicts
from .arms import Arm
from .joining import Table


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Two arms by their numbers, and the estimate of their difference.

    The procedures are crossed, `test set` (crossed, for this test set), McNemar (one run each), `one run` (of one
    arm), folds, and Welch (different test sets).
    """

    a: int
    b: int
    procedure: str
    estimate: Estimate
    folded: Folded | None = None
    clumps: Clumps | None = None  # of a regression in which some runs did not learn

    @property
    def unlearned(self) -> bool:
        """Whether no run of one arm learned, so that there are no results of it to compare."""
        return self.clumps is not None and not all(map(any, self.clumps.learned))

    @property
    def learned(self) -> tuple[int, int] | None:
        """How many runs of each arm learned, if some did not."""
        return (sum(self.clumps.learned[0]), sum(self.clumps.learned[1])) if self.clumps else None


class Part(NamedTuple):
    """The pairs of arms of one dataset by one metric, as a part of a family of comparisons."""

    table: Table
    pairings: Sequence[Pairing]
    delta: float | None  # the margin, in the metric's unit


def pairs_of(arms: Sequence[Arm]) -> list[tuple[int, int]]:
    """Return the pairs of arms that are compared, by their numbers: those of one size if every size has several arms.

    Otherwise all pairs are compared.
    """
    pairs = list(itertools.combinations(range(len(arms)), 2))
    sizes = [arm.config.size for arm in arms]
    if min(map(sizes.count, sizes)) > 1:
        return [(a, b) for a, b in pairs if sizes[a] == sizes[b]]
    return pairs


def paired_arms(table: Table, a: int, b: int, target: Target) -> Pairing:
    """Return the estimate of two arms by the procedure that fits their runs."""
    if table.first.folds is not None:
        folded = folds.folded(table.scores(a), table.scores(b), table.folds(a, b), groups=table.units)
        return Pairing(a=a, b=b, estimate=folded.estimate, procedure="folds", folded=folded)
    apart = _clumps(table, a, b)
    if not table.same_rows:
        estimate = crossed.welch(*_that_learned((table.results(a), table.results(b)), apart))
        found = Pairing(a=a, b=b, estimate=estimate, procedure="Welch", clumps=apart)
    else:
        scores = _that_learned((table.scores(a), table.scores(b)), apart)
        estimate = crossed.crossed(*scores, groups=table.units, target=target)
        found = Pairing(a=a, b=b, estimate=estimate, procedure=_named(table, estimate, target), clumps=apart)
    if not found.unlearned:
        return found
    return replace(found, estimate=replace(estimate, difference=clumps.shift(table.results(a), table.results(b))))


def _that_learned(arms: tuple[np.ndarray, np.ndarray], apart: Clumps | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs of both arms that learned, or all runs if those of an arm did not: (k, ...) each."""
    if apart is None or not all(map(any, apart.learned)):
        return arms
    return arms[0][np.array(apart.learned[0])], arms[1][np.array(apart.learned[1])]


def words(parts: Sequence[Part], *, level: float) -> list[list[Verdict]]:
    """Return the verdicts of each part of one family, with Holm's p values over all pairs of all parts."""
    of = [(part, each) for part in parts for each in part.pairings]
    deltas = [part.delta for part, _ in of]
    found = verdicts([each.estimate for _, each in of], delta=deltas, level=level)
    of_folds = [each.folded.nadeau_bengio if each.folded else each.estimate for _, each in of]
    second = verdicts(of_folds, delta=deltas, level=level)
    both = [by_both(one, other) for one, other in zip(found, second, strict=True)]
    special = iter([_special(part.table, each, verdict) for (part, each), verdict in zip(of, both, strict=True)])
    return [[next(special) for _ in part.pairings] for part in parts]


def _named(table: Table, estimate: Estimate, target: Target) -> str:
    if min(estimate.seeds) > 1:
        return "crossed" if target == "examples" else "test set"
    return "McNemar" if max(estimate.seeds) == 1 and table.metric.name == "top1" else "one run"


def _clumps(table: Table, a: int, b: int) -> Clumps | None:
    """Return which runs of a regression learned, if some did not."""
    one, other = ([each.mse or 0.0 for each in table.arms[arm]] for arm in (a, b))
    if min(*one, *other) <= 0:  # of a classification, or without any error
        return None
    return clumps.clumps(np.log(one), np.log(other))


def by_both(one: Verdict, other: Verdict) -> Verdict:
    """Return the verdict of the rule over groups, `undecided` if that over folds has another word.

    The two are equal without folds.
    """
    if one.word == other.word:
        return replace(one, at_least_delta=one.at_least_delta and other.at_least_delta)
    return replace(one, word="undecided", at_least_delta=False, real_but_small=False)


def _special(table: Table, pairing: Pairing, found: Verdict) -> Verdict:
    """Return the verdict of one run of each arm, with McNemar's interval and exact p, and of an arm that never learned.

    Of the latter there are no results to compare: the exact test of Mann and Whitney over all runs decides.
    """
    if pairing.procedure == "McNemar":
        one, other = table.correct(pairing.a), table.correct(pairing.b)
        assert one is not None and other is not None, "top-1 accuracy is of a classification"
        test = paired.mcnemar(one[0], other[0], found.level)
        inner = paired.mcnemar(one[0], other[0], 2 * found.level - 1).interval
        shown: dict[str, Any] = {"interval": test.interval, "inner": inner, "p": test.p_exact}
        return Verdict(word=found.word, level=found.level, **shown)
    if pairing.clumps and pairing.unlearned:
        p = pairing.clumps.mann_whitney_p
        ahead = "better" if pairing.clumps.a_beats_b > 0.5 else "worse"
        word: Any = ahead if p < 1 - found.level else "undecided"
        return Verdict(word=word, interval=None, level=found.level, inner=None, p=p)
    return found
