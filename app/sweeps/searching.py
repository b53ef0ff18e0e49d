"""The search of a sweep: draw a trial, train its run, and write how it ended, until no trial is left.

It trains by the worker of studies. Several processes may search at once: a trial has a ticket, and the lines a lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..artifacts.paths import RunFiles
from ..errors import Diverged, Held, InputError, OutOfMemory, Stopped, StudyFailed
from ..studies.cells import Cell
from ..studies.progress import REFUSED, Progress
from ..studies.study import Study
from ..studies.worker import Worker
from ..system import relaunch, signals, ticket
from ..system.ticket import Ticket
from . import curves, drawing, pruning
from .lines import DONE, FAILED, PRUNED, Content, Drawn, Ended, Writer
from .ranking import shown
from .sweep import Sweep

if TYPE_CHECKING:
    from ..experiment.observers import Screen

_FINAL = (Diverged.kind, OutOfMemory.kind, REFUSED)  # failures that the same values would meet again
_POLL = 1.0  # seconds between looks at trials of other workers
_POLL_HUB = 10.0  # seconds between such looks if they are on the Hub


@dataclass
class Search:
    """One process that searches. `worker` trains the runs, which this process hands to it one at a time."""

    sweep: Sweep
    worker: Worker
    screen: Screen
    trials: int | None  # how many trials the sweep may have; None: all of a grid
    _cells: dict[int, Cell] = field(default_factory=dict)
    _ticket: Ticket | None = None
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.worker.counted = self.runs

    def complete(self) -> Content:
        """Train all trials; return the lines. Raises Stopped, KeyboardInterrupt, DiskFull and InputError."""
        minutes = self.worker.max_minutes
        self._require_same()
        with signals.ending():
            while trial := self._next():
                self._require_time(minutes)
                self._train(trial)
            self._upload_left()
        ticket.clear(self.sweep.files.claims)
        return self.sweep.read()

    def promote(self, number: int) -> Content:
        """Train a pruned trial to its end; return the lines. Raises InputError for any other trial."""
        content = self.sweep.read()
        if number not in content.drawn:
            raise InputError(f"trial {number} does not exist. The sweep has {len(content.drawn):,} trials, from 0")
        if number not in content.ended or content.ended[number].state != PRUNED:
            state = content.ended[number].state if number in content.ended else "not finished"
            raise InputError(f"trial {number} is {state}. Only a pruned trial can be promoted")
        if not self._claim(number):
            raise Held(f"another worker promotes trial {number}. Wait until it ends")
        with signals.ending():
            self._train(content.drawn[number], judged=False)
            self._upload_left()
        ticket.clear(self.sweep.files.claims)
        return self.sweep.read()

    def _require_same(self) -> None:
        """Raise InputError if the settings and the data no longer lead to the runs of the trials."""
        content = self.sweep.read()
        begun = content.header and content.header.optuna
        if begun and begun != (here := self.sweep.header().optuna):
            self.screen.say(f"note: the sweep began with Optuna {begun}, and {here} may draw other trials")
        if first := next((trial for trial in content.drawn.values() if trial.run_id), None):
            self._cell(first)

    def _require_time(self, minutes: float | None) -> None:
        """Raise Stopped if --max-minutes are over, or the command that started this one ended."""
        if minutes is not None and time.monotonic() - self._began >= 60 * minutes:
            self._release()
            raise Stopped("the sweep stopped by --max-minutes", saved=True)
        if relaunch.is_orphan():
            self._release()
            raise Stopped("the sweep stopped since the command that started this worker ended", saved=True)

    def _next(self) -> Drawn | None:
        """Return the trial to train now, whose ticket this process has, or None once all trials ended."""
        reported = False
        while True:
            with self.sweep.writing() as writer:
                self._settle(writer)
                for trial in writer.content.open:
                    if not self._is_elsewhere(trial) and self._claim(trial.trial):
                        return trial
                if self._may_draw(writer.content):
                    number = len(writer.content.drawn)
                    writer.append(self.sweep.drawn(number, writer.content, self.screen))
                    continue  # its run may be there already, or cannot be trained
                if not writer.content.open:
                    return None
            if not reported:
                self.screen.say("waiting for trials that other workers train")
                reported = True
            self._require_time(self.worker.max_minutes)
            time.sleep(_POLL_HUB if self.worker.study.remote else _POLL)

    def _is_elsewhere(self, trial: Drawn) -> bool:
        """Return whether a machine that shares no folder with this one trains the run of a trial, by its claim."""
        if not self.worker.study.remote or not (cell := self._cell(trial)):
            return False
        (found,) = self._study(cell).progress(self.screen.say)
        return found.state == "running" and bool(found.claim and found.claim.until)

    @property
    def most(self) -> int | None:
        """How many trials the sweep may have."""
        ends = [each for each in (self.trials, drawing.most(self.sweep.file)) if each is not None]
        return min(ends, default=None)

    def _may_draw(self, content: Content) -> bool:
        """Return whether the sweep may have another trial."""
        assert self.most is not None, "a search without an end is refused"
        reached = any(self.sweep.file.metric.reaches(line.curve) for line in content.ended.values())
        return len(content.drawn) < self.most and not reached

    def _claim(self, number: int) -> bool:
        """Take the ticket of a trial. Return whether no other living process has it."""
        asked = Ticket(self.sweep.files.claims / f"trial-{number}", self.worker.claim_seconds)
        if asked.take():
            return False
        self._ticket = asked
        return True

    def _release(self) -> None:
        if self._ticket:
            self._ticket.give_back()
        self._ticket = None

    def _settle(self, writer: Writer) -> None:
        """Write the end of trials whose run ended before their line was written."""
        held = ticket.holders(self.sweep.files.claims)
        for trial in writer.content.open:
            if f"trial-{trial.trial}" in held:
                continue
            cell = self._cell(trial)
            if cell is None:
                writer.append(Ended(trial=trial.trial, state=FAILED, curve=(), why=self._refusal(trial)))
                continue
            (found,) = self._study(cell).progress(self.screen.say)
            if ended := self._ended(trial, found, writer.content):
                writer.append(ended)

    def _train(self, trial: Drawn, *, judged: bool = True) -> None:
        """Train a trial's run and write how it ended."""
        cell = self._cell(trial)
        assert cell and self._ticket, "only trials that can be trained are claimed"
        self.worker.study = self._study(cell)
        of = "" if self.most is None else f" of {self.most:,}"
        self.worker.title = lambda cell: f"trial {trial.trial}{of}: {shown(trial.values)} (run {cell.run_id})"
        judge = pruning.variable(trial.trial, self.sweep.checkpoints, self.sweep.path)
        self.worker.environment = judge if judged else {}
        self.worker.stops = (lambda found: self._stopped_by(trial, found)) if judged else None
        try:
            with self._ticket.renewed():
                self.worker.train_missing()
            (found,) = self.worker.progress()
            with self.sweep.writing() as writer:
                ended = writer.content.ended.get(trial.trial)
                if ended is None or (ended.state == PRUNED and not judged):
                    self._write_end(trial, found, writer)
        finally:
            self._release()

    def _write_end(self, trial: Drawn, found: Progress, writer: Writer) -> None:
        if sentence := self.worker.pruned.get(trial.run_id):
            curve = curves.saved(self._files(found), self.sweep.file.metric)
            why = self._stopped_by(trial, found) or sentence  # other workers may have changed the threshold
            writer.append(Ended(trial=trial.trial, state=PRUNED, curve=curve, why=why))
        elif ended := self._ended(trial, found, writer.content):
            writer.append(ended)
        elif found.state != "running":
            writer.append(self._failed(trial, found, writer.content))

    def _ended(self, trial: Drawn, found: Progress, content: Content) -> Ended | None:
        """Return the end of a trial by its run's files, or None if it is to be trained."""
        metric = self.sweep.file.metric
        if found.done:
            return Ended(trial=trial.trial, state=DONE, curve=curves.of_run(self._files(found), metric))
        if found.state == "failed" and not found.retried:
            return self._failed(trial, found, content)
        if found.state == "stopped":
            curve = curves.saved(self._files(found), metric)
            if stops := self._pruned(trial, found, curve, content):
                return Ended(trial=trial.trial, state=PRUNED, curve=curve[: stops[0]], why=stops[1])
        return None

    def _stopped_by(self, trial: Drawn, found: Progress) -> str | None:
        """Return why early termination stops a trial at the epoch of its saved state, or None."""
        curve = curves.saved(self._files(found), self.sweep.file.metric)
        stops = self._pruned(trial, found, curve, self.sweep.read())
        return stops[1] if stops and stops[0] == len(curve) else None

    def _pruned(
        self, trial: Drawn, found: Progress, curve: tuple[float, ...], content: Content
    ) -> tuple[int, str] | None:
        """Return the epoch at which early termination stops a trial, and why, or None."""
        epochs = found.cell.config.epochs
        return pruning.first(content, trial.trial, curve, self.sweep.checkpoints, epochs=epochs)

    def _failed(self, trial: Drawn, found: Progress, content: Content) -> Ended:
        """Return the end of a trial whose values fail.

        Raises StudyFailed for what another try may not meet, such as a network that does not answer, and InputError if
        `train` refuses the first training: neither says anything about the values.
        """
        why = f"{found.kind}: {found.sentence}"
        if found.kind not in _FINAL:
            raise StudyFailed(
                f"trial {trial.trial} (run {trial.run_id}) has not ended, {why}. Fix this, and run the same command "
                "again"
            )
        if found.kind == REFUSED and not any(line.curve for line in content.ended.values()):
            raise InputError(f"trial {trial.trial} cannot be trained: {found.sentence}")
        curve = curves.of_run(self._files(found), self.sweep.file.metric)
        return Ended(trial=trial.trial, state=FAILED, curve=curve, why=why)

    def _upload_left(self) -> None:
        """Upload the finished runs whose upload failed."""
        cells = {cell.run_id: cell for cell in self._cells.values()}
        left = [cells[name] for name in sorted(self.worker.not_uploaded)]
        if left:
            self.worker.study = replace(self.worker.study, cells=left)
            self.worker.complete()

    def _files(self, found: Progress) -> RunFiles:
        """Return the files of a run, of which the log is on this machine."""
        if found.at_hub and found.done and self.worker.study.remote:
            return self.worker.study.remote.log_of(found.cell)
        if found.at_hub:
            return RunFiles.of(self.sweep.checkpoints, found.cell.config)
        return found.run.files if found.run else RunFiles.of(self.sweep.checkpoints, found.cell.config)

    def runs(self) -> list[Progress]:
        """Return the progress of the runs of all trials so far, pruned and failed ones included."""
        found = (self._cell(trial) for trial in self.sweep.read().drawn.values())
        cells = {cell.run_id: cell for cell in found if cell}
        return self.worker.study.progress(self.screen.say, list(cells.values()))

    def _study(self, cell: Cell) -> Study:
        return replace(self.worker.study, cells=[cell])

    def _cell(self, trial: Drawn) -> Cell | None:
        """Return the run of a trial, or None if its settings cannot be trained."""
        if not trial.run_id:
            return None
        if trial.trial not in self._cells:
            cell = self.sweep.cell(trial.trial, trial.values, self.screen)
            if cell.run_id != trial.run_id:
                raise InputError(
                    f"trial {trial.trial} of {self.sweep.path} has run {trial.run_id}, and its values make run "
                    f"{cell.run_id} here. The data, a file of weights or isoscale changed since. Use another "
                    "--sweep-seed"
                )
            self._cells[trial.trial] = cell
        return self._cells[trial.trial]

    def _refusal(self, trial: Drawn) -> str:
        """Return why the settings of a trial cannot be trained."""
        try:
            self.sweep.cell(trial.trial, trial.values, self.screen)
        except InputError as error:
            return f"bad input: {error}"
        return "bad input"
