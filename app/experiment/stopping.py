"""Stopping a run in good order: SIGTERM, Ctrl-C and a time limit leave a note that the loop reads at a step's end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_requests(*, deadline: float | None = None) -> Iterator[Callable[[], str | None]]:
    """Within it SIGTERM and the first Ctrl-C leave a note, which the yielded call reads; a second Ctrl-C interrupts.

    `deadline` is a time of `time.monotonic()` after which the call says so too.
    """
    asked: list[str] = []

    def note(number: int, _frame: Any) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(f"by {signal.Signals(number).name}")

    def reason() -> str | None:
        if not asked and deadline is not None and time.monotonic() >= deadline:
            asked.append("by --max-minutes")
        return asked[0] if asked else None

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield reason
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
