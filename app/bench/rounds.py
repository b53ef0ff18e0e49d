"""Contenders that are measured in turns, A B then B A: samples, their medians and quartiles, and ratios per round."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from subprocess import SubprocessError
from typing import Any, NamedTuple, TypeVar

from ..errors import OutOfMemory, is_out_of_memory
from .meter import Memory, Prepared, threads

_LEAST = 0.2  # seconds of one sample, where a unit is shorter
_LEAST_ROUNDS = 3  # so that a median has a spread
# of a peer or of a missing kernel
_FAILURES = (
    RuntimeError, ValueError, TypeError, KeyError, ImportError, OSError, MemoryError, AssertionError, SubprocessError
)  # fmt: skip
_Turn = TypeVar("_Turn")


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One contender of a comparison. `facts` are reported next to its figures."""

    name: str
    prepare: Callable[[], Prepared]
    facts: Mapping[str, Any] = field(default_factory=dict)
    required: bool = False  # if it is not, a contender that fails is skipped and reported
    most: int = 1000  # most units of a sample
    seconds: Callable[[float], float] | None = None  # of a unit, from its value; None: the wall clock of the call
    threads: int | None = None  # CPU threads in its turns; None: those of the comparison's start
    peak_bytes: Callable[[], int] | None = None  # so far, if it has a separate process; None: read from the device


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The length of a measurement: a number of rounds, of which only the first three may begin after `seconds`.

    The seconds begin after the warm-up, in which contenders compile. If one unit alone takes longer, its warm-up is its
    first sample.
    """

    rounds: int
    seconds: float
    say: Callable[[str], None]

    def share(self, parts: int) -> Pace:
        """Return the pace of one of several groups that share the seconds."""
        return Pace(rounds=self.rounds, seconds=self.seconds / parts, say=self.say)


class Spread(NamedTuple):
    """The median of some samples and their quartiles, linear between samples."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The samples of one contender: a value per round, each the mean over `units`."""

    name: str
    values: list[float]
    units: int
    peak_bytes: int | None = None  # of the device's memory, or of a separate process
    facts: Mapping[str, Any] = field(default_factory=dict)


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles. A single sample is all three."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Return the ratio of each round, so that an effect that slows both in a round cancels."""
    return [a / b for a, b in zip(over, under, strict=True)]


def turn(contenders: Sequence[_Turn], number: int) -> list[_Turn]:
    """Return the order of round 0, 1, ...: forwards, then backwards, so that a drift affects all equally (ABBA)."""
    return list(contenders) if number % 2 == 0 else list(reversed(contenders))


class _Lane:
    """A contender that is warmed up, with as many units per sample as make a sample long enough."""

    def __init__(self, contender: Contender, memory: Memory, patience: float) -> None:
        self.contender, self.memory = contender, memory
        self.values: list[float] = []
        self.peak: int | None = None
        before = memory.held()
        with threads(contender.threads):
            self.run = contender.prepare()
            value, once = self._warmed()
        self.units = max(1, min(contender.most, math.ceil(_LEAST / max(once, 1e-9))))
        self.own = memory.held() - before
        if once > max(patience, _LEAST) and contender.most > 1:
            self._note(value)

    def _warmed(self) -> tuple[float, float]:
        """Return (value, seconds) of a unit. A first call, which compiles and allocates, counts for processes only."""
        tell = self.contender.seconds
        for _ in range(2 if self.contender.most > 1 else 1):
            self.memory.reset()
            began = time.monotonic()
            value = self.run(1)
            once = tell(value) if tell else time.monotonic() - began
        return value, once

    def sample(self) -> None:
        self.memory.reset()
        with threads(self.contender.threads):
            value = self.run(self.units)
        self._note(value)

    def _note(self, value: float) -> None:
        """Record a sample's value, with the peak memory since the reset."""
        self.values.append(value)
        tell = self.contender.peak_bytes
        peak = tell() if tell else self.memory.peak(own=self.own)
        self.peak = max(self.peak or 0, peak) if peak is not None else None

    def samples(self) -> Samples:
        of = self.contender
        return Samples(name=of.name, values=self.values, units=self.units, peak_bytes=self.peak, facts=of.facts)


def measure(contenders: Sequence[Contender], pace: Pace, memory: Memory) -> tuple[list[Samples], list[str]]:
    """Return the samples of all contenders, taken in turns, and one sentence for each that could not run here.

    Raises OutOfMemory if a required contender does not fit into memory.
    """
    lanes, left_out = _lanes(contenders, pace, memory)
    deadline = time.monotonic() + pace.seconds
    for number in range(pace.rounds):
        if number >= _LEAST_ROUNDS and time.monotonic() > deadline:
            pace.say(f"stopped after {number} of {pace.rounds} rounds: --seconds is over")
            break
        for lane in turn(lanes, number):
            if len(lane.values) == number:  # else its warm-up is this round's sample
                lane.sample()
    return [lane.samples() for lane in lanes], left_out


def _lanes(contenders: Sequence[Contender], pace: Pace, memory: Memory) -> tuple[list[_Lane], list[str]]:
    lanes, left_out = [], []
    for contender in contenders:
        pace.say(f"warming up: {contender.name}")
        try:
            lanes.append(_Lane(contender, memory, pace.seconds))
        except _FAILURES as error:
            reason = (str(error) or type(error).__name__).splitlines()[0][:160]
            if contender.required and is_out_of_memory(error):
                raise OutOfMemory(
                    f"{contender.name} does not fit into memory ({reason}). Use a smaller --batch-size"
                ) from error
            if contender.required:
                raise
            left_out.append(f"{contender.name}: {reason}")
    return lanes, left_out
