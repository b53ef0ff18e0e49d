"""A regression in which some runs did not learn, in words: the shares that learned, and the test of all runs."""

from __future__ import annotations

from dataclasses import dataclass

from .procedure import Pairing

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Clumped:
    """How many runs of each arm learned, and tests of that and of all runs."""

    learned: tuple[int, int]
    runs: tuple[int, int]
    shares: tuple[Interval, Interval]  # Wilson intervals of the shares that learned
    p_learned: float  # Fisher's exact test
    p_all: float  # exact test of Mann and Whitney
    text: str


def of(pairing: Pairing, a: str, b: str) -> Clumped:
    """Return what is reported of a pair in which some runs did not learn."""
    found, learned = pairing.clumps, pairing.learned
    assert found and learned, "some runs did not learn"
    runs = len(found.learned[0]), len(found.learned[1])
    parts = [
        f"{count} of {of_all} runs of {title} ({100 * low:.0f} to {100 * high:.0f} %)"
        for count, of_all, title, (low, high) in zip(learned, runs, (a, b), found.intervals, strict=True)
    ]
    compared = " The runs that learned are compared."
    if pairing.unlearned:
        compared = " No run of one model learned, so D is the median of the differences of all pairs of runs."
    text = (
        f"The log MSE of the runs has two clumps, so some did not learn: {' and '.join(parts)} learned (Fisher's exact "
        f"p = {found.fisher_p:.2g}; all runs, Mann-Whitney: p = {found.mann_whitney_p:.2g}).{compared}"
    )
    return Clumped(
        learned=learned, runs=runs, shares=found.intervals, p_learned=found.fisher_p, p_all=found.mann_whitney_p,
        text=text,
    )  # fmt: skip
