"""The mirror of a run's log at a tracker: a process that reads the log file and never touches the run.

`train` starts one per tracker, as `python -m app.sharing.mirror`, and `track` calls `send`. A tracker that is slow,
fails or stops the process it runs in therefore costs the training nothing. Only the log, the record and the mark are
read, without torch.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from .. import trackers
from ..artifacts import marks, record
from ..artifacts.marks import Mark
from ..artifacts.paths import RunFiles
from ..artifacts.record import Record
from ..errors import Damaged
from ..system import locks
from ..trackers.client import About, Client
from ..trackers.points import Point, points

Report = Callable[[str, int], None]  # what happens now (OPENING ...), and the last step that was sent
OPENING, SENDING, FINISHING, DONE, FAILED = "opening", "sending", "finishing", "done", "failed"
_POLL = 1.0  # seconds between looks at the log
_BATCH = 200  # points after which the mark is written
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 600.0  # seconds before a tracker that failed is tried again
_LAST = 60.0  # seconds that the process may live after the command that started it


def about(files: RunFiles, kept: Record) -> About:
    """Return what a tracker is given about a run: its settings and counts, no paths of files and no command."""
    began = "".join(filter(str.isdigit, kept.started))[:14]
    facts = {"run_id": kept.run_id, "parameters": kept.parameters.total, "started": kept.started}
    size = () if kept.size == kept.model else (kept.size,)
    title = " ".join((kept.model, *size, kept.dataset, f"seed {kept.config['seed']}"))
    return About(
        key="-".join(filter(None, (kept.run_id, began))), title=title, config=kept.config | facts,
        folder=files.tensorboard,
    )  # fmt: skip


@dataclass
class Mirror:
    """One tracker of one run. `report` is called whenever something begins, ends or arrives."""

    files: RunFiles
    tracker: str
    every: int  # steps
    report: Report
    about: About
    mark: Mark
    sent: int = 0  # the last step
    count: int = 0  # of steps that were sent
    _client: Client | None = None
    _position: int = 0  # in the log, of the first line of the last step that was read
    _before: bytes = field(default=b"", repr=False)  # the line in front of it
    _is_tested: bool = False  # whether the results of a run without steps were sent

    @classmethod
    def of(cls, files: RunFiles, tracker: str, *, every: int, report: Report) -> Mirror:
        """Return the mirror of a run whose record exists."""
        its = about(files, record.read(files.record))
        where = trackers.destination(tracker, its)
        return cls(files, tracker, every, report, its, marks.read(files, tracker, key=its.key, destination=where))

    @property
    def is_complete(self) -> bool:
        """Whether the tracker has the test results, as far as this machine knows."""
        return self.mark.done and not trackers.is_gone(self.tracker, self.about)

    def send(self) -> None:
        """Send the steps that the log has and the tracker lacks. For a finished run also the test results.

        Raises Damaged for a log that is not one, and whatever the tracker's package raises.
        """
        results = _results(record.read(self.files.record))
        client = self._connected()
        waiting = 0
        for point in self._points(complete=results is not None):
            is_there = point.step <= client.after if point.step else self._is_tested
            if is_there or not (point.step % self.every == 0 or point.ends_epoch):
                continue
            self.report(SENDING, self.sent)
            client.log(point.step, point.values)
            self.sent = client.after = point.step
            self._is_tested = not point.step
            self.count, waiting = self.count + 1, waiting + 1
            if waiting % _BATCH == 0:
                self._confirm(client)
        if waiting:
            self._confirm(client)
        self.report(SENDING, self.sent)

    def finish(self) -> None:
        """Close the connection, after which everything that was sent is kept."""
        client = self._connected()
        self.report(FINISHING, self.sent)
        client.finish()
        self._client = None
        self._write(client.after, done=_results(record.read(self.files.record)) is not None)
        self.report(DONE, self.mark.step)

    def drop(self) -> None:
        """Forget the connection after an error. The next one begins after the mark."""
        self._client, self._position, self._before, self._is_tested = None, 0, b"", False

    def _connected(self) -> Client:
        if self._client is None:
            self.report(OPENING, self.sent)
            self._client = trackers.connect(self.tracker, self.about, self.mark.step)
            self.sent = self._client.after
            if self.sent <= 0:  # it has no steps
                self.mark = msgspec.structs.replace(self.mark, step=0, spans=())
        return self._client

    def _confirm(self, client: Client) -> None:
        if client.confirm():
            self._write(client.after)

    def _write(self, step: int, *, done: bool = False) -> None:
        self.mark = self.mark.moved(step, self.every, done=done)
        marks.write(self.files, self.tracker, self.mark)

    def _points(self, *, complete: bool) -> Iterator[Point]:
        """Yield the points after the last look. The last step of a finished run has its test results, too.

        A finished run without steps has them at step 0.
        """
        total, results = 0, dict[str, float]()
        if complete:
            kept = record.read(self.files.record)
            total, results = kept.schedule.total_steps, _results(kept) or {}
        for point in points(self._rows(), complete=complete):
            yield point._replace(values=point.values | results) if point.step == total else point
        if results and not total:
            yield Point(0, results, ends_epoch=True)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of all complete lines from the last step of the last look on.

        A run that resumes shortens its log. If the line in front of the position is another one, all are read again.
        """
        with self.files.log.open("rb") as file:
            file.seek(self._position - len(self._before))
            if file.read(len(self._before)) != self._before:
                self._position, self._before = 0, b""
                file.seek(0)
            before, step = self._before, -1
            for line in file:
                if not line.endswith(b"\n"):
                    break
                row = _parsed(line, self.files.log)
                if row.get("step", 0) != step:
                    self._position, self._before, step = file.tell() - len(line), before, row.get("step", 0)
                before = line
                if "split" in row:  # not the header
                    yield row


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise Damaged(f"a line of {path} is damaged. Download the log again, or retrain the run with --fresh")
    return row


def _results(kept: Record) -> dict[str, float] | None:
    """Return the numbers of the test of a finished run, as `evaluate --json` names them, or None before."""
    if not kept.done or not kept.tested:
        return None
    numbers: Mapping[str, Any] = record.plain(kept.test)
    return {f"test/{name}": value for name, value in numbers.items() if isinstance(value, int | float)}


def follow(mirror: Mirror, ended: threading.Event) -> None:
    """Send what the log gets until the command that writes it has ended. After an error, try again later."""
    pause = _FIRST_PAUSE
    while True:
        last = ended.is_set()
        try:
            if mirror.files.log.exists():
                mirror.send()
                pause = _FIRST_PAUSE
            if last:
                return mirror.finish()
            ended.wait(_POLL)
        except Exception as error:  # of any kind: the training does not depend on it  # noqa: BLE001
            mirror.report(f"{FAILED} {type(error).__name__}: {error}", mirror.sent)
            mirror.drop()
            if last:
                return None
            ended.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _main(record_path: str, tracker: str, every: str) -> None:
    """Mirror the run until stdin ends. What happens is written to stdout, a JSON line each time."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)  # packages of trackers print, also from processes of their own
    os.nice(10)
    ended = threading.Event()

    def report(what: str, step: int) -> None:
        try:
            out.write(json.dumps([what, step]) + "\n")
        except OSError:  # the command has ended
            ended.set()

    def wait() -> None:
        sys.stdin.buffer.read()
        ended.set()
        time.sleep(_LAST)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
    path = Path(record_path)
    files = RunFiles(path.parent, path.stem)
    with locks.lock(marks.path_of(files, f"{tracker}.lock"), wait=True):
        follow(Mirror.of(files, tracker, every=int(every), report=report), ended)


if __name__ == "__main__":
    _main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # a thread of a tracker that hangs must not keep the process
