"""Parts as processes, each with a time box: what it started is killed when the box ends, and a crash costs no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.system import processes

from .findings import Finding, Findings, read, without_folders

AGAIN = 3  # exit code of a part whose device is unusable for its process, and not for another one
_POLL = 0.05  # seconds between looks at a process
GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_LEAST = 8.0  # seconds below which no part begins
Reader = Callable[[str], Iterable[Finding]]  # stdout of a part's process -> its findings


@dataclass(frozen=True, kw_only=True)
class Part:
    """A process of the sheet, with `box` seconds at most."""

    name: str
    box: float
    command: Sequence[str]
    reads: Reader = lambda _: ()
    lacks: str = ""  # why it cannot run here
    together: bool = False  # it measures no time, so it may run at the same time as its neighbours
    resumes: bool = False  # it skips the cases that it began before, so that it is started again if its process dies
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Room:
    """The files and the end of a sheet: `results` and `log` are kept, `work` is temporary."""

    results: Path
    log: Path
    work: Path
    root: Path  # the folder where the parts run
    ends: float  # on the monotonic clock
    tiny: bool = False

    def left(self) -> float:
        return self.ends - time.monotonic()


class Running:
    """A part's process. Its output goes to files, so that it is kept when the process is killed."""

    def __init__(self, part: Part, room: Room, *, ends: float | None = None) -> None:
        self.part, self.room, self.began = part, room, time.monotonic()
        self.ends = min(room.ends - GRACE, self.began + part.box) if ends is None else ends
        self._notes = Findings(room.results, part.name)
        self._cases = self._begun()
        self._out, self._err = (room.work / f"{part.name}.{kind}" for kind in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*part.command, *(["--until", str(self.ends)] if part.resumes else [])], cwd=room.root,
                env=os.environ | part.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True, preexec_fn=processes.die_with_parent,  # noqa: PLW1509  (the sheet has one thread)
            )  # fmt: skip

    def finished(self) -> Running | bool:
        """Return whether the part has ended, or the process that goes on with its other cases after a crash."""
        running = self.process.poll() is None
        late = running and time.monotonic() >= self.ends
        if running and not late:
            return False
        self.end()
        self._note(late=late)
        code = self.process.returncode
        crashed = not late and (code == AGAIN or code < 0) and self._begun() > self._cases
        return Running(self.part, self.room, ends=self.ends) if self.part.resumes and crashed else True

    def end(self) -> None:
        """End the process and all its descendants: SIGTERM, then SIGKILL."""
        started = processes.tree(self.process.pid) if self.process.poll() is None else []
        for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            for process in reversed(started):
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)

    def _begun(self) -> int:
        """Return the number of cases that the part's processes began."""
        return sum(one["kind"] == "begun" and one["part"] == self.part.name for one in read(self.room.results))

    def _note(self, *, late: bool) -> None:
        """Write what the part found and how it ended, and append its output to the log."""
        code, seconds = self.process.returncode, time.monotonic() - self.began
        out, err = (path.read_text(errors="replace") for path in (self._out, self._err))
        try:
            for one in self.part.reads(out):
                self._notes.note(**one)
        except (ValueError, KeyError, TypeError, OSError, ArithmeticError) as error:
            self._notes.note("failure", error=f"its output cannot be read: {error!r}"[:300])
        how = "out of time" if late else f"exit {code}"
        lines = (err.strip() or out.strip()).splitlines() if code and not late else []
        last = {"last": without_folders(lines[-1])} if lines else {}
        self._notes.note("part", exit=code, late=late, seconds=round(seconds, 1), **last)
        with self.room.log.open("a") as log:
            log.write(f"===== {self.part.name}: {how}, {seconds:.1f} s\n{out[-200_000:]}\n{err[-200_000:]}\n")
        _say(f"{self.part.name}: {how} after {seconds:.1f} s")


def run(parts: Sequence[Part], room: Room, *, changed: Callable[[], None]) -> None:
    """Run the parts in their order. `changed` is called after each one, and while one runs.

    If this function is left by an exception, its processes are ended first.
    """
    able = []
    for part in parts:
        if part.lacks:
            Findings(room.results, part.name).note("part", exit=None, skipped=part.lacks)
        else:
            able.append(part)
    for group in _groups(able):
        if room.left() < _LEAST:
            for part in group:
                Findings(room.results, part.name).note("part", exit=None, skipped="no time was left")
            continue
        _run_together(group, room, changed)
    changed()


def _groups(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts that run at the same time, in order: neighbours with `together`, and every other part alone."""
    groups: list[list[Part]] = []
    for part in parts:
        if part.together and groups and groups[-1][-1].together:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _run_together(group: list[Part], room: Room, changed: Callable[[], None]) -> None:
    running: list[Running] = []
    try:
        for part in group:
            running.append(Running(part, room))
            _say(f"{part.name} begins: {running[-1].ends - running[-1].began:.0f} s at most")
        while running:
            ended = [(one, one.finished()) for one in running]
            running = [then if isinstance(then, Running) else one for one, then in ended if then is not True]
            changed()
            time.sleep(_POLL)
    finally:
        for one in running:
            one.end()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
