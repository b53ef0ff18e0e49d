"""The word for a comparison: better, worse, equivalent, undecided, one seed, identical."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .crossed import Estimate
from .several import bonferroni_level, holm

Word = Literal["better", "worse", "equivalent", "undecided", "one seed", "identical"]
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The word of A against B, and the intervals from which it follows."""

    word: Word
    interval: Interval | None  # at `level`
    level: float  # of the interval: that of the family, after Bonferroni for several comparisons
    inner: Interval | None  # of the two one-sided tests for equivalence: 90 % where `level` is 95 %
    p: float | None  # of the difference, Holm's for several comparisons
    at_least_delta: bool = False  # better or worse by at least delta
    real_but_small: bool = False  # equivalent, and yet not equal


def verdict(
    estimate: Estimate,
    *,
    delta: float | None,
    level: float = 0.95,
    adjusted_p: float | None = None,
    comparisons: int = 1,
) -> Verdict:
    """Return the word for an estimate. Equivalence within the margin `delta` is checked first; None: never.

    Equivalent: both one-sided tests at 1 - level reject a difference of delta or more (Schuirmann 1987,
    doi:10.1007/BF01068419). Better or worse: the interval excludes 0. In a family of several comparisons, `level` is
    that of the family, the words better and worse follow from `adjusted_p`, and the intervals are simultaneous.

    Raises ValueError for a margin that is not positive.
    """
    if delta is not None and not delta > 0:
        raise ValueError(f"the margin {delta} is not positive")
    each = bonferroni_level(level, comparisons)
    outer, inner = estimate.interval(each), estimate.interval(2 * each - 1)
    differs = outer is not None and (outer[0] > 0 or outer[1] < 0)
    if adjusted_p is not None:
        differs = adjusted_p < 1 - level
    word = _word(estimate, differs=differs, within=_inside(inner, delta))
    beyond = outer is not None and delta is not None and (outer[0] > delta or outer[1] < -delta)
    return Verdict(
        word=word, interval=outer, level=each, inner=inner, p=estimate.p if adjusted_p is None else adjusted_p,
        at_least_delta=beyond and word in ("better", "worse"), real_but_small=differs and word == "equivalent",
    )  # fmt: skip


def verdicts(
    estimates: Sequence[Estimate], *, delta: float | Sequence[float | None] | None, level: float = 0.95
) -> list[Verdict]:
    """Return the words of a family of comparisons, in the given order, with Holm's p and Bonferroni's intervals.

    `delta` is the margin of all comparisons, or one for each. Estimates without a standard error are not counted in
    the family.
    """
    deltas = [delta] * len(estimates) if delta is None or isinstance(delta, int | float) else [*delta]
    tested = [index for index, estimate in enumerate(estimates) if estimate.p is not None]
    adjusted = dict(zip(tested, holm([p for each in estimates if (p := each.p) is not None]), strict=True))
    count = max(1, len(tested))
    return [
        verdict(estimate, delta=margin, level=level, adjusted_p=adjusted.get(index), comparisons=count)
        for index, (estimate, margin) in enumerate(zip(estimates, deltas, strict=True))
    ]


def _inside(interval: Interval | None, delta: float | None) -> bool:
    """Return whether an interval is inside -delta to delta. False without an interval or a margin."""
    return interval is not None and delta is not None and -delta < interval[0] and interval[1] < delta


def _word(estimate: Estimate, *, differs: bool, within: bool) -> Word:
    if estimate.identical:
        return "identical"
    if min(estimate.seeds) < 2:
        return "one seed"
    if within:
        return "equivalent"
    if differs:
        return "better" if estimate.difference > 0 else "worse"
    return "undecided"
