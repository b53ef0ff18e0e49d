"""Arms whose runs are files of other programs: a mean squared error per run, and no rows that could be paired."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..statistics import crossed
from ..statistics.verdict import Verdict
from . import clumped, wording
from .clumped import Clumped
from .comparing import LEVEL
from .joining import Table, Tested
from .metrics import METRICS
from .procedure import Pairing, Part, paired_arms, words

METRIC = METRICS["log-mse"]


@dataclass(frozen=True, kw_only=True)
class FileRun:
    """One run of another program: the mean squared error of its test, and the true values, if they are known."""

    name: str
    mse: float
    truth: np.ndarray | None  # float32 (n,)


@dataclass(frozen=True, kw_only=True)
class FileArm:
    """The runs of one model."""

    title: str
    runs: tuple[FileRun, ...]


@dataclass(frozen=True, kw_only=True)
class UnpairedArm:
    """The results of one model: the log MSE of each run, and which runs learned."""

    title: str
    names: tuple[str, ...]
    results: tuple[float, ...]
    learned: tuple[bool, ...] | None  # None: no arm has two clumps
    mean: float  # of the runs that learned, if any did
    sd: float | None


@dataclass(frozen=True, kw_only=True)
class UnpairedPair:
    """The comparison of two arms in log MSE. `difference` is positive where A has the lower error."""

    a: str
    b: str
    difference: float  # of the runs that learned, if both arms have some
    verdict: Verdict
    delta: float
    beats: float  # P(A beats B), over all runs
    clumps: Clumped | None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Unpaired:
    """The comparison of all arms, and why examples are not paired."""

    arms: tuple[UnpairedArm, ...]
    pairs: tuple[UnpairedPair, ...]
    refusal: str

    def to_json(self) -> dict[str, Any]:
        """Return the comparison for a machine."""
        return {
            "metric": METRIC.name, "pairing": self.refusal, "arms": [asdict(arm) for arm in self.arms],
            "pairs": [
                {"a": each.a, "b": each.b, "procedure": "Welch", "difference": each.difference,
                 "interval": each.verdict.interval, "level": each.verdict.level, "p_adjusted": each.verdict.p,
                 "verdict": each.verdict.word, "delta": each.delta, "beats": each.beats,
                 "clumps": asdict(each.clumps) if each.clumps else None, "sentence": each.sentence}
                for each in self.pairs
            ],
        }  # fmt: skip


def compare(arms: Sequence[FileArm], *, delta: float | None = None) -> Unpaired:
    """Return the comparison by log MSE: runs that learned by Welch's t, all runs by the exact test of Mann and Whitney.

    Raises InputError for fewer than two arms, equal titles, and runs without a positive error.
    """
    _require(arms)
    table = Table(metric=METRIC, arms=tuple(tuple(map(_tested, arm.runs)) for arm in arms), same_rows=False)
    pairings = [paired_arms(table, a, b, "examples") for a, b in itertools.combinations(range(len(arms)), 2)]
    margin = delta or METRIC.delta
    assert margin, "log MSE has a default margin"
    (found,) = words([Part(table, pairings, margin)], level=LEVEL)
    pairs = tuple(_pair(table, arms, each, word, margin) for each, word in zip(pairings, found, strict=True))
    return Unpaired(
        arms=tuple(_arm(arm, number, pairings) for number, arm in enumerate(arms)), pairs=pairs, refusal=_refusal(arms)
    )


def _tested(run: FileRun) -> Tested:
    nothing = np.zeros(0)
    return Tested(
        run_ids=(run.name,), fingerprint="", rows=nothing, labels=nothing, names=None, values=nothing,
        result=float(np.log(run.mse)), correct=None, mse=run.mse,
    )  # fmt: skip


def _pair(table: Table, arms: Sequence[FileArm], pairing: Pairing, verdict: Verdict, delta: float) -> UnpairedPair:
    one, other = arms[pairing.a].title, arms[pairing.b].title
    apart = clumped.of(pairing, one, other) if pairing.clumps else None
    sentence = wording.sentence(
        one, other, metric=METRIC, verdict=verdict, word=verdict.word, difference=pairing.estimate.difference,
        delta=delta, target="Welch",
    )  # fmt: skip
    return UnpairedPair(
        a=one, b=other, difference=pairing.estimate.difference, verdict=verdict, delta=delta, clumps=apart,
        beats=crossed.beats(table.results(pairing.a), table.results(pairing.b)),
        sentence=f"{apart.text} {sentence}" if apart else sentence,
    )  # fmt: skip


def _arm(arm: FileArm, number: int, pairings: Sequence[Pairing]) -> UnpairedArm:
    apart = next((each for each in pairings if each.clumps and number in (each.a, each.b)), None)
    learned = apart.clumps.learned[0 if number == apart.a else 1] if apart and apart.clumps else None
    results = np.log([run.mse for run in arm.runs])
    kept = results[np.array(learned)] if learned and any(learned) else results
    return UnpairedArm(
        title=arm.title, names=tuple(run.name for run in arm.runs), results=tuple(map(float, results)), learned=learned,
        mean=float(kept.mean()), sd=float(kept.std(ddof=1)) if len(kept) > 1 else None,
    )  # fmt: skip


def _refusal(arms: Sequence[FileArm]) -> str:
    """Return why test examples are not paired."""
    lead = "the runs are compared as runs, and their test examples are not paired:"
    runs = [run for arm in arms for run in arm.runs]
    known = [run.truth for run in runs if run.truth is not None]
    if len(known) < len(runs):
        return f"{lead} a table of means has no examples"
    kinds = len({np.sort(truth).tobytes() for truth in known})
    if kinds > 1:
        return f"{lead} these {len(runs)} runs have {kinds} different sets of test rows, by their true values"
    return f"{lead} the files have no row numbers, so that equal rows cannot be verified"


def _require(arms: Sequence[FileArm]) -> None:
    if len(arms) < 2:
        raise InputError(
            f"{arms[0].title} is one model. Name a second folder of published files, or a table, to compare them"
        )
    titles = [arm.title for arm in arms]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise InputError(f"two arguments have the name {twice[0]}. Rename one of the folders")
    for name, mse in _all(arms):
        if not 0 < mse < float("inf"):
            raise InputError(f"{name} has a mean squared error of {mse:g}, which has no logarithm. Omit this run")


def _all(arms: Sequence[FileArm]) -> Iterator[tuple[str, float]]:
    yield from ((f"{arm.title}: {run.name}", run.mse) for arm in arms for run in arm.runs)
