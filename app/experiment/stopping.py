"""Stopping a run in good order: a signal, Ctrl-C and a time limit leave a note that the loop reads at a step's end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from ..errors import Stopped
from ..system import relaunch, signals


class Reason(NamedTuple):
    """Why a run stops, as its sentence says it; `in_time` where nobody is about to kill the process."""

    why: str
    in_time: bool = False
    since: float | None = None  # of time.monotonic(): when a signal came, after which the process may be killed


GO_ON, SAVE, STOP_IN_TIME, STOP = range(4)  # what a rank wishes at a step's end; the largest wish is done by all


def wish_of(reason: Reason | None) -> int:
    """Return what a rank with that reason to stop, or with none, wishes."""
    return GO_ON if reason is None else STOP_IN_TIME if reason.in_time else STOP


@contextmanager
def stop_requests(
    *, deadline: float | None = None, alone: bool = False, answer: Callable[[int], None] | None = None
) -> Iterator[Callable[[], Reason | None]]:
    """Within it a signal or the first Ctrl-C leaves a note, which the yielded call reads; a second Ctrl-C interrupts.

    `deadline` is a time of `time.monotonic()` after which the call says so too. A process that is `alone` stops at once
    as long as nobody has read a note: until its first step ends it has nothing to save, and that may take minutes.
    `answer` is called with a signal's number from a thread, at once, whatever the main thread computes.
    What a process that was asked to stop does to end well, such as its last push, is not disturbed by more signals.
    """
    asked: list[Reason] = []
    read = False

    def note(number: int, _frame: Any) -> None:
        name = signal.Signals(number).name
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(Reason(f"by {name}", since=time.monotonic()))
        if alone and not read and number != signal.SIGINT:
            raise Stopped(f"stopped by {name} before its first step ended", since=asked[0].since)

    def reason() -> Reason | None:
        nonlocal read
        read = True
        if not asked and deadline is not None and time.monotonic() >= deadline:
            asked.append(Reason("by --max-minutes", in_time=True))
        if not asked and relaunch.is_orphan():
            asked.append(Reason("since the command that started it ended"))
        return asked[0] if asked else None

    try:
        with ExitStack() as within:
            within.enter_context(signals.handled(dict.fromkeys([signal.SIGINT, *signals.asking()], note)))
            if answer:
                within.enter_context(signals.heard(answer))
            yield reason
    finally:
        if asked and asked[0].since:
            signals.end_undisturbed()
