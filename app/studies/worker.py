"""A worker: trains the missing cells of a study one after the other, each in a separate process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace

from ..errors import PRUNED, DiskFull, Stopped
from ..experiment import claiming, stopping
from ..system import clock, outcome, relaunch, signals, ticket
from . import versions
from .budget import Budget
from .cells import Cell
from .progress import REFUSED, RETRIES, Progress
from .study import Study

Say = Callable[[str], None]
_ROUNDED = 0.1  # seconds that --max-minutes may be short by
_POLL = 5.0  # seconds between looks at cells that others train
_REPORTED_AGAIN = 600.0  # seconds between notes that this command waits
CLAIM_SECONDS = 120.0
_UPLOADED_AGAIN = (60.0, 600.0, 1800.0, 1800.0)  # seconds before each new try to upload
_LEASE = 900.0  # seconds: the default of --lease, which is for a run alone
_DONE, _BAD_INPUT, _NOT_UPLOADED, _FAILED, _STOPPED, _INTERRUPTED = 0, 2, 3, 4, 75, 130  # exit codes of `train`


@dataclass
class Worker:
    """One worker of a study on this machine."""

    study: Study
    say: Say
    retry_failed: bool = False
    max_minutes: float | None = None  # for all cells together
    claim_seconds: float = CLAIM_SECONDS  # after which a worker that does not answer loses its run
    mixed_versions: bool = False
    ranks: int = 1  # processes of each training, which `torchrun` starts
    ahead: int = 0  # missing runs that are left to workers which start at the same time
    budget: Budget = field(default_factory=Budget)
    counted: Callable[[], Sequence[Progress]] | None = None  # what takes from the budget; None: the study's runs
    environment: dict[str, str] = field(default_factory=dict)  # in addition, of each training
    noun: str = "study"  # what trains the runs, in messages: study | sweep
    stops: Callable[[Progress], str | None] | None = None  # why a run of several ranks needs no more training
    title: Callable[[Cell], str] | None = None  # which run a training is of; None: its number in the study
    not_uploaded: set[str] = field(default_factory=set)
    pruned: dict[str, str] = field(default_factory=dict)  # runs that need no more training, and why
    _tries: dict[str, int] = field(default_factory=dict)  # of this command
    _refused: set[str] = field(default_factory=set)
    _codes: dict[str, int] = field(default_factory=dict)  # of the newest training of a cell
    _reasons: dict[str, outcome.Outcome | None] = field(default_factory=dict)  # of the same
    _asked: bool = False  # whether this command was asked to stop
    _ends: float = float("inf")  # of time.monotonic(): when the newest training is to end
    _limited_by: str = ""  # the option that ends it then
    _began: float = field(default_factory=time.monotonic)

    def complete(self) -> list[Progress]:
        """Train what is missing; return the progress of all cells. Raises Stopped, DiskFull and KeyboardInterrupt."""
        with signals.ending():
            self.train_missing()
            self._upload_left()
        found = self.progress()
        if all(each.done for each in found):
            ticket.clear(self.study.files.claims)
        return found

    def train_missing(self) -> None:
        """Train what can be trained, until no other worker trains a cell that might become free."""
        reported = float("-inf")
        while (others := self._pass()) and not relaunch.is_orphan():
            self._require_unasked()
            waiting = sum(each.state == "running" for each in self.study.progress(self.say, others))
            if not waiting:  # they ended in the meantime
                continue
            if time.monotonic() - reported > _REPORTED_AGAIN:
                self.say(f"waiting for {waiting:,} run{'' if waiting == 1 else 's'} that other workers train")
                reported = time.monotonic()
            time.sleep(min(_POLL, self.claim_seconds / 4))

    def _upload_left(self) -> None:
        """Upload the finished cells whose upload failed: the Hub may take no more commits for up to an hour."""
        for pause in _UPLOADED_AGAIN:
            if not self.not_uploaded or relaunch.is_orphan():
                return
            left = len(self.not_uploaded)
            self.say(
                f"{left:,} run{'' if left == 1 else 's'} not uploaded yet. The next try is in {clock.duration(pause)}"
            )
            time.sleep(pause)
            for cell in [cell for cell in self.study.cells if cell.run_id in self.not_uploaded]:
                self._require_unasked()
                self._after(cell, self._train(cell))

    def _require_unasked(self) -> None:
        """Raise Stopped if a signal came while a training ended by itself, before that could answer it."""
        if self._asked:
            raise Stopped(f"the {self.noun} stopped", saved=True)

    def progress(self) -> list[Progress]:
        """Return the progress of all cells, with what this command was refused."""
        return [self._with_refusal(each) for each in self.study.progress(self.say)]

    def _with_refusal(self, found: Progress) -> Progress:
        """Return a cell's progress with what its run does not say: that `train` refused it, or was killed."""
        name = found.cell.run_id
        if found.done or found.kind or name not in self._codes:
            return found
        reason = self._reasons.get(name)
        if name in self._refused:
            why = reason.sentence if reason else "`train` refused it; its message is above"
            return replace(found, state="failed", kind=REFUSED, sentence=why, failures=1)
        if reason and self._codes[name] == _FAILED:
            return replace(found, kind=reason.kind, sentence=reason.sentence)
        why = f"its training ended with exit code {self._codes[name]} before the run was finished"
        return replace(found, kind="unfinished", sentence=why)

    def _pass(self) -> list[Cell]:
        """Train all cells that can be trained now; return those that other workers trained when this one looked."""
        found = self.progress()
        versions.require_same(found, mixed=self.mixed_versions)
        todo = deque(each.cell for each in found if self._is_due(each))
        todo.rotate(-self.ahead)
        self.ahead = 0
        others = [each.cell for each in found if each.state == "running"]
        cells = self.study.cells
        while todo:
            cell = todo.popleft()
            (now,) = self.study.progress(self.say, [cell])  # other workers went on while this one trained
            if not self._is_due(now):
                others += [cell] if now.state == "running" else []
                continue
            self._require_unasked()
            if relaunch.is_orphan():
                raise Stopped(f"the {self.noun} stopped since the command that started this worker ended", saved=True)
            self.say(
                self.title(cell)
                if self.title
                else f"run {cells.index(cell) + 1:,} of {len(cells):,}: {described(cell)}"
            )
            code = self._train(cell)
            after = self._after(cell, code)
            if after.state == "running":  # another process was faster
                others.append(cell)
                self._tries[cell.run_id] -= 1
            elif not after.done and self._is_due(after):
                todo.append(cell)
        return others

    def _is_due(self, found: Progress) -> bool:
        """Return whether a cell is to be trained now."""
        tries = self._tries.get(found.cell.run_id, 0)
        if found.state in ("done", "running") or tries > RETRIES or found.cell.run_id in {*self._refused, *self.pruned}:
            return False
        return found.state != "failed" or found.retried or (self.retry_failed and not tries)

    def _train(self, cell: Cell) -> int:
        """Return the exit code of a cell's `train`, which prints on this process's stderr.

        What asks this process to stop is passed on; Ctrl-C reaches the training from the terminal.
        """
        self._tries[cell.run_id] = self._tries.get(cell.run_id, 0) + 1
        words = ["train", *cell.arguments(), *self._limit(cell), *self._at_hub(cell)]
        command = relaunch.command(*words, ranks=self.ranks)
        environment = relaunch.environment(ends_with_this=self.ranks == 1)  # a rank is a child of `torchrun`
        environment |= claiming.variable(self.study.files.claims, self.claim_seconds)
        environment |= stopping.variable(self._limited_by) | self.environment
        with suppress(AttributeError, OSError, ValueError):  # a stderr that is None or closed
            sys.stderr.flush()
        with closing(outcome.Pipe()) as pipe:
            with (
                subprocess.Popen(
                    command, env=environment | pipe.variable, stdin=subprocess.DEVNULL, stdout=_stderr(),
                    pass_fds=pipe.descriptors,
                ) as training,
                signals.passed_on(training) as came,
            ):  # fmt: skip
                code = _ended(training)
            self._reasons[cell.run_id] = pipe.read()
        self._asked = self._asked or bool(came) or relaunch.is_orphan()
        return code

    def _limit(self, cell: Cell) -> list[str]:
        """Return the option that ends a training with the study's time or budget; raise Stopped where one is over."""
        left = self.budget.left(cell, (self.counted or self.progress)()) if self.budget.limited else []
        if self.max_minutes is not None:
            left.append((self.max_minutes - (time.monotonic() - self._began) / 60, "--max-minutes"))
            if left[-1][0] <= 0:
                raise Stopped(f"the {self.noun} stopped by --max-minutes", saved=True)
        minutes, self._limited_by = min(left, default=(float("inf"), ""))
        self._ends = time.monotonic() + 60 * minutes
        return ["--max-minutes", f"{minutes:.3f}"] if left else []

    def _is_late(self) -> bool:
        """Return whether the training that ended was to end by now."""
        return time.monotonic() >= self._ends - _ROUNDED

    def _at_hub(self, cell: Cell) -> list[str]:
        """Return the options of a training that other machines may claim: it never waits, and its claim lasts long.

        The Hub allows 128 commits an hour in a repository, and each renewal of a claim is one.
        """
        if not self.study.remote:
            return []
        lease = [] if cell.given.get("lease", _LEASE) != _LEASE else ["--lease", "1h"]
        return [*lease, "--if-held", "refuse"]

    def _after(self, cell: Cell, code: int) -> Progress:
        """Return a cell's progress after its training ended with that code; raise what ends the whole study."""
        (after,) = self.study.progress(self.say, [cell])
        if self.ranks > 1 and code:
            code = self._code_of(after)
        self._codes[cell.run_id] = code
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        if code == _STOPPED and (why := self._why_pruned(after)):
            self.pruned[cell.run_id] = why
            return after
        if code == _STOPPED and (self._asked or self._is_late()):  # else it lost its claim, and other cells are left
            raise Stopped(f"the {self.noun} stopped", saved=True)
        if after.kind == DiskFull.kind and after.state == "failed":
            raise DiskFull(after.sentence)
        if code == _FAILED and (reason := self._reasons.get(cell.run_id)) and reason.kind == DiskFull.kind:
            raise DiskFull(reason.sentence)
        self.not_uploaded.discard(cell.run_id)
        if code == _NOT_UPLOADED:
            self.not_uploaded.add(cell.run_id)
        elif code == _BAD_INPUT:
            self._refused.add(cell.run_id)
        return after

    def _why_pruned(self, after: Progress) -> str | None:
        """Return why a stopped run needs no more training, or None. Ranks report nothing, so their run is judged."""
        if self.ranks > 1:
            return self.stops(after) if self.stops and after.state == "stopped" else None
        reason = self._reasons.get(after.cell.run_id)
        return reason.sentence if reason and reason.kind == PRUNED else None

    def _code_of(self, after: Progress) -> int:
        """Return the exit code of a training whose ranks `torchrun` started: it turns all codes but 0 into 1."""
        if after.done and self.study.remote:
            there = self.study.remote.look([after.cell]).get(after.cell.run_id)
            return _DONE if there and there.entry else _NOT_UPLOADED
        return {"done": _DONE, "stopped": _STOPPED, "missing": _BAD_INPUT}.get(after.state, _FAILED)


def _ended(training: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a training; it is asked to stop if the command that started this worker was killed."""
    asked = False
    while True:
        with suppress(subprocess.TimeoutExpired):
            return training.wait(_POLL)
        if relaunch.is_orphan() and not asked:
            training.terminate()
            asked = True


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
