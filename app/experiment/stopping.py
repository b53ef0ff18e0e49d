"""Stopping a run in good order: SIGTERM, Ctrl-C and a time limit leave a note that the loop reads at a step's end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Reason(NamedTuple):
    """Why a run stops, as its sentence says it; `in_time` where nobody is about to kill the process."""

    why: str
    in_time: bool = False


GO_ON, SAVE, STOP_IN_TIME, STOP = range(4)  # what a rank wishes at a step's end; the largest wish is done by all


def wish_of(reason: Reason | None) -> int:
    """Return what a rank with that reason to stop, or with none, wishes."""
    return GO_ON if reason is None else STOP_IN_TIME if reason.in_time else STOP


@contextmanager
def stop_requests(*, deadline: float | None = None) -> Iterator[Callable[[], Reason | None]]:
    """Within it SIGTERM and the first Ctrl-C leave a note, which the yielded call reads; a second Ctrl-C interrupts.

    `deadline` is a time of `time.monotonic()` after which the call says so too.
    """
    asked: list[Reason] = []

    def note(number: int, _frame: Any) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(Reason(f"by {signal.Signals(number).name}"))

    def reason() -> Reason | None:
        if not asked and deadline is not None and time.monotonic() >= deadline:
            asked.append(Reason("by --max-minutes", in_time=True))
        return asked[0] if asked else None

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield reason
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
