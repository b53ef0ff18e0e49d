"""What a command waits for, and for how long, while nothing else is printed: from its start to its first step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..system.duration import spoken

_TICK = 0.25  # seconds
_FIRST = {True: 1.0, False: 5.0}  # seconds of silence before the first line, on a terminal and elsewhere
_EVERY = {True: 1.0, False: 30.0}


class Waiting:
    """A thread that prints the present stage of a command after some seconds of silence.

    On a terminal one live line counts the seconds. Elsewhere a line is printed, and another one every 30 s.
    """

    def __init__(self, show: Callable[[str], None], *, terminal: bool) -> None:
        self._show, self._terminal = show, terminal
        self._stage, self._since = "", 0.0
        self._silent_since = self._last = time.monotonic()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._work, name="waiting", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        if self._thread:
            self._thread.join()

    def stage(self, text: str) -> None:
        """Begin a stage; an empty text ends the one before."""
        self._since = self._silent_since = time.monotonic()
        self._stage = text

    def heard(self) -> None:
        """Something else was printed."""
        self._silent_since = time.monotonic()

    def tick(self) -> None:
        """Print the stage if it is time."""
        now, stage = time.monotonic(), self._stage
        if not stage or now - max(self._silent_since, self._since) < _FIRST[self._terminal]:
            return
        if self._last >= self._silent_since and now - self._last < _EVERY[self._terminal]:
            return
        self._last = now
        self._show(f"{stage} ... {spoken(now - self._since)}")

    def _work(self) -> None:
        while not self._over.wait(_TICK):
            self.tick()
