"""The trackers of a run while it trains: a process for each, which training never waits for."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ..artifacts.paths import RunFiles
from ..sharing import mirror
from ..system import packages, relaunch
from ..tables.trackers import names_in, tracker_row

_SECONDS = 30.0  # for the last steps of a finished run, as long as the tracker answers
_AT_ONCE = 1.0  # if the command is stopped or fails
_SILENT = {mirror.OPENING: 10.0, mirror.SENDING: 2.0, mirror.FINISHING: 10.0}  # seconds of one call at the end
_POLL = 0.02


@contextmanager
def tracked(files: RunFiles, names: str | None, every: int, say: Callable[[str], None]) -> Iterator[None]:
    """Mirror the run's log at its trackers within the context, after its record was written.

    A tracker whose package is missing is reported, and the run trains without it. At the end the last steps are sent
    for a limited time. What could not be sent is reported with the command that sends it.
    """
    found = [
        Child(files, name, every, say) for name in (names_in(names) if names else ()) if _is_there(name, files, say)
    ]
    begun = [each for each in found if each.start()]
    seconds = _AT_ONCE
    try:
        yield
        seconds = _SECONDS
    finally:
        for each in begun:
            each.end()
        for each in begun:
            each.wait(seconds)


def _is_there(name: str, files: RunFiles, say: Callable[[str], None]) -> bool:
    """Return whether a tracker's package is installed, and report it if it is not."""
    row = tracker_row(name)
    if packages.is_installed(row.package):
        return True
    say(
        f"note: --track {name} needs the package {row.package}, which is not installed, so the run trains without it. "
        f"Install the extra `{name}` (uv sync --no-dev --extra {name}, or pip install 'isoscale[{name}]'), then "
        f"{_sends_the_rest(files, name)}"
    )
    return False


def _sends_the_rest(files: RunFiles, name: str) -> str:
    return f"`run.py track {files.folder / files.stem} --to {name}` sends the curves"


@dataclass
class Child:
    """The process that mirrors a run at one tracker. Its stdin ends with the command, and it ends then."""

    files: RunFiles
    name: str
    every: int
    say: Callable[[str], None]
    _process: subprocess.Popen[bytes] | None = None
    _doing: str = mirror.OPENING
    _since: float = field(default_factory=time.monotonic)
    _failed: str = ""
    _reader: threading.Thread | None = None

    def start(self) -> bool:
        """Start the process. Return False, after a notice, if the system refuses."""
        module = f"{relaunch.PACKAGE}.sharing.mirror"
        words = [sys.executable, "-m", module, str(self.files.record), self.name, str(self.every)]
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=relaunch.environment(), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self.say(f"note: --track {self.name} did not start ({error.strerror}). The run trains without it")
            return False
        self._reader = threading.Thread(target=self._listen, daemon=True, name=f"track {self.name}")
        self._reader.start()
        return True

    def _listen(self) -> None:
        """Take what the process reports, and pass its first failure on."""
        assert self._process and self._process.stdout
        for line in self._process.stdout:
            with suppress(ValueError):
                what, _ = json.loads(line)
                self._doing, self._since = what, time.monotonic()
                if what.startswith(mirror.FAILED) and not self._failed:
                    self._failed = what.removeprefix(mirror.FAILED).strip()
                    self.say(f"note: {self.name} failed ({self._failed}). Training continues, and it is tried again")

    def end(self) -> None:
        """Ask the process to send the last steps and to end."""
        assert self._process and self._process.stdin
        with suppress(OSError):
            self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait until everything is sent, but no longer than `seconds`, nor for a call that takes too long."""
        assert self._process and self._reader
        until = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < min(until, self._since + self._patience(seconds)):
            time.sleep(_POLL)
        self._process.kill()
        self._process.wait()
        self._reader.join(_AT_ONCE)
        if self._doing != mirror.DONE:
            self.say(f"note: {self.name} does not have all steps yet. {_sends_the_rest(self.files, self.name)}")

    def _patience(self, seconds: float) -> float:
        return min(seconds, _SILENT.get(self._doing, _AT_ONCE))
