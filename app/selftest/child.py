"""A child process that trains: watched by its log, stopped or killed."""

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

PATIENCE = 600.0  # seconds for anything a child does; a tiny run needs a few
_POLL = 0.001  # seconds between looks at the log
_TAIL = 1000  # bytes that hold the newest row of a log


class Ended(NamedTuple):
    """How a command ended; a code below 0 is the signal that killed it."""

    code: int
    err: str
    seconds: float  # since its start, or since the signal that it was sent

    @property
    def last_line(self) -> str:
        return (self.err.strip().splitlines() or ["nothing was said"])[-1]


class Child:
    """One process, or a launcher with its ranks; gone with all it started at the end of `with`."""

    def __init__(self, command: list[str], *, folder: Path, environment: Mapping[str, str], said: Path) -> None:
        """Starts the command in `folder`; what it prints goes to `said`.out and `said`.err."""
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
        """Writes down what comes on stderr: a process whose files are limited may not do so itself."""
        assert self.process.stderr, "it was asked for"
        with self._err.open("wb") as file:
            shutil.copyfileobj(self.process.stderr, file)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def log(self) -> Path | None:
        """The training log, once there is one."""
        return next(iter(self.folder.rglob("*_training.log")), None)

    def _log_stamp(self) -> tuple[int, int] | None:
        with suppress(FileNotFoundError):
            if log := self.log():
                return log.stat().st_mtime_ns, log.stat().st_size
        return None

    def step(self) -> int:
        """The newest step that this process has logged; 0 before it has touched the log."""
        log = self.log()
        if log is None or self._log_stamp() == self._stamp:
            return 0
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            found = re.findall(rb'"step": (\d+), .*\n', file.read())
        return int(found[-1]) if found else 0

    def reaches(self, step: int) -> bool:
        """Waits until the log holds a step; False where the process ended before."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.step() >= step:
                return True
            time.sleep(_POLL)
        return False

    def processes(self) -> list[int]:
        """Its id and those of all it started, the oldest first."""
        found, parents = [self.process.pid], _parents()
        for process in found:
            found += [child for child, parent in parents.items() if parent == process]
        return found

    def kill(self) -> bool:
        """SIGKILL to it and to all it started; returns whether it was still running."""
        for process in self.processes() if self.process.poll() is None else ():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return self.process.wait() == -signal.SIGKILL

    def send(self, number: signal.Signals) -> None:
        """A signal to the process, or to the launcher; the time until its end counts from here."""
        self._since = time.monotonic()
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def wait(self) -> Ended:
        """Its end; one that does not come in time is a kill."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=PATIENCE)
        seconds = time.monotonic() - self._since
        self.kill()
        self._reader.join(timeout=PATIENCE)
        return Ended(self.process.returncode, self._err.read_text(errors="replace"), seconds)


def _parents() -> dict[int, int]:
    """Process -> parent of all processes, in the order of their ids; empty where the system does not tell."""
    found = {}
    for path in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name)):
        with suppress(OSError, ValueError, IndexError):
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return found
