"""Stopping a run cleanly: a signal, Ctrl-C or a time limit sets a request that the loop checks at a step's end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from ..errors import Stopped
from ..system import relaunch, signals

_LIMIT = "ISOSCALE_LIMIT"  # set if a worker limits the training: the option of its study that ends it


class Reason(NamedTuple):
    """Why a run stops, as a sentence. `in_time` is set if nobody is about to kill the process."""

    why: str
    in_time: bool = False
    since: float | None = None  # of time.monotonic(): when a signal arrived, after which the process may be killed
    kind: str = "stopped"


GO_ON, SAVE, STOP_IN_TIME, STOP = range(4)  # a rank's wish at a step's end; all ranks follow the largest wish


def variable(option: str) -> dict[str, str]:
    """Return the environment variable with which a training names the option of its study that ends it."""
    return {_LIMIT: option}


def wish_of(reason: Reason | None) -> int:
    """Return the wish of a rank that has that reason to stop, or none."""
    return GO_ON if reason is None else STOP_IN_TIME if reason.in_time else STOP


@contextmanager
def stop_requests(
    *, deadline: float | None = None, alone: bool = False, answer: Callable[[int], None] | None = None
) -> Iterator[Callable[[], Reason | None]]:
    """Let a signal or the first Ctrl-C set a request within the context. The yielded call returns the request.

    A second Ctrl-C interrupts. `deadline` is a time of `time.monotonic()` after which the call also returns a request.
    A process that is `alone` stops at once until a request was first checked: before its first step ends it has nothing
    to save, and that step may take minutes. `answer` is called at once with a signal's number, from a thread, whatever
    the main thread computes. Further signals do not disturb a process while it stops, for example during its last push.
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
            asked.append(Reason(f"by {os.environ.get(_LIMIT) or '--max-minutes'}", in_time=True))
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
