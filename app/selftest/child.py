"""A child process that trains. Its log is watched, and it is stopped or killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..system import processes

PATIENCE = 600.0  # seconds for anything a child does; a tiny run needs a few
_POLL = 0.001  # seconds between looks at the log
_TAIL = 1000  # bytes at the end of a log that contain its newest row


class Ended(NamedTuple):
    """The exit of a command. A code below 0 is the signal that killed it."""

    code: int
    err: str
    seconds: float  # since its start, or since the signal that it was sent

    @property
    def last_line(self) -> str:
        return (self.err.strip().splitlines() or ["nothing was said"])[-1]


class Child:
    """One process, or a launcher with its ranks. At the end of `with`, it and all its descendants are killed."""

    def __init__(self, command: list[str], *, folder: Path, environment: Mapping[str, str], said: Path) -> None:
        """Start the command in `folder`. Its output goes to `said`.out and `said`.err."""
        said.parent.mkdir(exist_ok=True)
        self.folder, self._err = folder, said.with_suffix(".err")
        self._stamp = self._log_stamp()
        self._since = time.monotonic()
        with said.with_suffix(".out").open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=folder, env=dict(environment), stdout=out, stderr=subprocess.PIPE, start_new_session=True
            )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        """Write the process's stderr to a file.

        If its files are limited in size, the process could not do so itself.
        """
        assert self.process.stderr, "it was asked for"
        with self._err.open("wb") as file:
            shutil.copyfileobj(self.process.stderr, file)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def log(self) -> Path | None:
        """Return the training log, or None before it exists."""
        return next(iter(self.folder.rglob("*_training.log")), None)

    def _log_stamp(self) -> tuple[int, int] | None:
        with suppress(FileNotFoundError):
            if log := self.log():
                return log.stat().st_mtime_ns, log.stat().st_size
        return None

    def step(self) -> int:
        """Return the newest step that this process has logged, or 0 if it has not changed the log yet."""
        log = self.log()
        if log is None or self._log_stamp() == self._stamp:
            return 0
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            found = re.findall(rb'"step": (\d+), .*\n', file.read())
        return int(found[-1]) if found else 0

    def reaches(self, step: int) -> bool:
        """Wait until the log contains a step. Return False if the process ended before."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.step() >= step:
                return True
            time.sleep(_POLL)
        return False

    def processes(self) -> list[int]:
        """Return the IDs of the process and of all its descendants, the oldest first."""
        return processes.tree(self.process.pid)

    def kill(self) -> bool:
        """Send SIGKILL to the process and all its descendants. Return whether it was still running."""
        for process in self.processes() if self.process.poll() is None else ():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return self.process.wait() == -signal.SIGKILL

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process or to the launcher. The time until the exit is measured from here."""
        self._since = time.monotonic()
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def wait(self) -> Ended:
        """Return the process's exit. A process that does not end in time is killed."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=PATIENCE)
        seconds = time.monotonic() - self._since
        self.kill()
        self._reader.join(timeout=PATIENCE)
        return Ended(self.process.returncode, self._err.read_text(errors="replace"), seconds)
