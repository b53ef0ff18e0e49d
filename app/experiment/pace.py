"""The pace of a run: when a step will end, when the run will end, and the answer to Ctrl-C."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from ..events import Event, StepEnd
from ..system.duration import spoken

_TIMED = 3  # steps, after the first, by which the end of the run is estimated
_WORTH_SAYING = 60.0  # seconds that remain of the run
_HARD_END = 1.2  # seconds after the second Ctrl-C; the exit of an interpreter takes a part of a second too
_INTERRUPTED = 130  # the exit code of the command line


@dataclass
class Pace:
    """Time the steps, and print the expected end of the run after three of them.

    The first step is not timed, because kernels are compiled and memory is allocated in it.
    """

    say: Callable[[str], None]
    total_steps: int = 0
    now: Callable[[], float] = time.monotonic
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=16))
    _seen: int = 0

    def __call__(self, event: Event) -> None:
        if not isinstance(event, StepEnd):
            return
        self._ends.append(self.now())
        self._seen += 1
        if self._seen == 1 + _TIMED:
            self._expect(self.total_steps - event.step)

    def seconds_left(self) -> float | None:
        """Return the seconds until the current step should end, or None until two steps have ended."""
        if len(self._ends) < 2:
            return None
        return max(0.0, self._median() - (self.now() - self._ends[-1]))

    def _median(self) -> float:
        ends = list(self._ends)
        return statistics.median(later - earlier for earlier, later in pairwise(ends))

    def _expect(self, steps: int) -> None:
        """Print the expected end, estimated without the full validation passes and the test."""
        seconds = steps * self._median()
        if seconds < _WORTH_SAYING:
            return
        end = datetime.now().astimezone() + timedelta(seconds=seconds)
        self.say(
            f"expected end: {end:%Y-%m-%d %H:%M}, in {spoken(seconds)} ({self._median():.3g} s per step, from "
            f"{_TIMED} steps; full validation passes and the test are not included)"
        )


@dataclass
class CtrlC:
    """Answer Ctrl-C from a thread while the main thread computes, and end the process soon after the second one.

    Python calls its handlers only between two bytecodes, and a backward pass is one bytecode.
    """

    pace: Pace
    leave: Callable[[int], None] = os._exit  # a kill loses nothing: the last saved state is complete
    _heard: int = 0
    _end: threading.Timer | None = None

    def __call__(self, number: int) -> None:
        """Answer a signal. Only SIGINT has an answer."""
        if number != signal.SIGINT:
            return
        self._heard += 1
        if self._heard == 1:
            left = self.pace.seconds_left()
            about = "" if left is None else f", about {spoken(left)}" if left >= 1 else ", less than a second"
            self.pace.say(f"Stopping after this step{about}. Press Ctrl-C again to stop now.")
        elif self._end is None:
            self._end = threading.Timer(_HARD_END, self.leave, (_INTERRUPTED,))
            self._end.daemon = True
            self._end.start()

    def __enter__(self) -> CtrlC:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the countdown, because the main thread ends the command itself."""
        if self._end:
            self._end.cancel()
