"""A worker: trains the missing cells of a study one after the other, each in a separate process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import DiskFull, Stopped
from ..system import relaunch, signals
from . import progress
from .cells import Cell
from .progress import REFUSED, RETRIES, Progress

Say = Callable[[str], None]
_POLL = 5.0  # seconds between looks at cells that others train
_REPORTED_AGAIN = 600.0  # seconds between notes that this command waits
_STOPPED, _INTERRUPTED, _BAD_INPUT, _NOT_UPLOADED = 75, 130, 2, 3  # exit codes of `train`


@dataclass
class Worker:
    """One worker of a study on this machine."""

    cells: list[Cell]
    checkpoints: Path
    say: Say
    retry_failed: bool = False
    max_minutes: float | None = None  # for all cells together
    not_uploaded: set[str] = field(default_factory=set)
    _tries: dict[str, int] = field(default_factory=dict)  # of this command
    _refused: dict[str, str] = field(default_factory=dict)
    _codes: dict[str, int] = field(default_factory=dict)  # of the newest training of a cell
    _began: float = field(default_factory=time.monotonic)

    def complete(self) -> list[Progress]:
        """Train what is missing; return the progress of all cells. Raises Stopped, DiskFull and KeyboardInterrupt."""
        reported = float("-inf")
        while waiting := self._pass():
            if time.monotonic() - reported > _REPORTED_AGAIN:
                self.say(f"waiting for {waiting:,} run{'' if waiting == 1 else 's'} that other processes train")
                reported = time.monotonic()
            time.sleep(_POLL)
        return self.progress()

    def progress(self) -> list[Progress]:
        """Return the progress of all cells, with what this command was refused."""
        found = progress.of_cells(self.cells, self.checkpoints, self.say)
        return [self._with_refusal(each) for each in found]

    def _with_refusal(self, found: Progress) -> Progress:
        """Return a cell's progress with what its run does not say: that `train` refused it, or was killed."""
        name = found.cell.run_id
        if found.done or found.kind or name not in self._codes:
            return found
        if name in self._refused:
            return replace(found, state="failed", kind=REFUSED, sentence=self._refused[name], failures=1)
        why = f"its training ended with exit code {self._codes[name]} before the run was finished"
        return replace(found, kind="unfinished", sentence=why)

    def _pass(self) -> int:
        """Train all cells that can be trained now; return how many others are training."""
        found = self.progress()
        todo = deque(each.cell for each in found if self._is_due(each))
        running = sum(each.state == "running" for each in found)
        total = len(self.cells)
        while todo:
            cell = todo.popleft()
            self.say(f"run {self.cells.index(cell) + 1:,} of {total:,}: {described(cell)}")
            code = self._train(cell)
            after = self._after(cell, code)
            if after.state == "running":  # another process was faster
                running += 1
                self._tries[cell.run_id] -= 1
            elif not after.done and self._is_due(after):
                todo.append(cell)
        return running

    def _is_due(self, found: Progress) -> bool:
        """Whether a cell is to be trained now."""
        tries = self._tries.get(found.cell.run_id, 0)
        if found.state in ("done", "running") or tries > RETRIES or found.cell.run_id in self._refused:
            return False
        return found.state != "failed" or found.retried or (self.retry_failed and not tries)

    def _train(self, cell: Cell) -> int:
        """Return the exit code of a cell's `train`, which prints on this process's stderr.

        What asks this process to stop is passed on; Ctrl-C reaches the training from the terminal.
        """
        self._tries[cell.run_id] = self._tries.get(cell.run_id, 0) + 1
        command = relaunch.command("train", *cell.arguments(), *self._limit())
        environment = relaunch.environment(ends_with_this=True)
        with suppress(AttributeError, OSError, ValueError):  # a stderr that is None or closed
            sys.stderr.flush()
        with (
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=_stderr()) as training,
            signals.passed_on(training),
        ):
            return training.wait()

    def _limit(self) -> list[str]:
        """Return the option that ends a training with the study's time; raise Stopped where that is over."""
        if self.max_minutes is None:
            return []
        left = self.max_minutes - (time.monotonic() - self._began) / 60
        if left <= 0:
            raise Stopped("the study stopped by --max-minutes", saved=True)
        return ["--max-minutes", f"{left:.3f}"]

    def _after(self, cell: Cell, code: int) -> Progress:
        """Return a cell's progress after its training ended with that code; raise what ends the whole study."""
        self._codes[cell.run_id] = code
        (after,) = progress.of_cells([cell], self.checkpoints, self.say)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        if code == _STOPPED:
            raise Stopped("the study stopped", saved=True)
        if after.kind == DiskFull.kind and after.state == "failed":
            raise DiskFull(after.sentence)
        if code == _NOT_UPLOADED:
            self.not_uploaded.add(cell.run_id)
        elif code == _BAD_INPUT:
            self._refused[cell.run_id] = "`train` refused it; its message is above"
        return after


def _stderr() -> int:
    """Return where a training prints its result: this process's stderr, if there is one."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # None, or closed, or of a program that calls this one
        return subprocess.DEVNULL


def described(cell: Cell) -> str:
    """Return a cell in a few words."""
    config = cell.config
    size = "" if config.size == config.model else f" {config.size}"
    return f"{config.model}{size}, {config.dataset}, seed {config.seed} (ID {config.run_id}, {cell.where})"
