"""A run's state on the Hub while it trains, pushed by a thread that training never waits for."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..artifacts import checkpoint
from ..artifacts.paths import RunFiles
from ..config.run import RunConfig
from ..errors import Held, HubUnavailable, Unavailable
from ..sharing import finished
from ..sharing.arrival import Finished
from ..sharing.branch import Branch, LeaseLost, Standing, read_holder
from ..system import hub
from .stopping import Reason

_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 600.0  # seconds before a push that failed is tried again
_LAST_PAUSE = 2.0  # and before the last one of a run that stops


@dataclass(frozen=True, kw_only=True)
class Push:
    """The settings of how a run is kept on the Hub."""

    every: float = 1800.0  # seconds between pushed states
    wait: bool = True  # for another machine that trains the run; otherwise raise Held
    lease: float = 900.0  # seconds that this machine's claim lasts without being renewed


def begin(config: RunConfig, files: RunFiles, push: Push, say: Callable[[str], None], *, fresh: bool) -> Pusher:
    """Find the run on the Hub by its ID, claim it, and download newer files to the run's files.

    If the Hub is unavailable, a warning is printed and the pusher retries. Raises Held if another machine trains the
    run and `push` does not wait for it, and Unavailable if there is a later state that cannot be downloaded.
    """
    was_here = files.holder.exists()
    repository, folder = hub.repository(), f"{config.folder}/{files.stem}"
    branch = Branch(
        repository, config.run_id, read_holder(files.holder), push.lease,
        finished=lambda: finished.is_there(repository, folder, files.stem),
    )  # fmt: skip
    pusher, arriving = Pusher(branch, files, push, say, fresh=fresh), Finished(config, files, say)
    try:
        standing = branch.take(wait=push.wait, say=say, done=lambda: not fresh and arriving.arrives())
        pusher.claimed = standing is not None
    except LeaseLost as error:
        if not was_here:
            files.holder.unlink()
        raise Held(f"{error}. Stop it there, or omit `--if-held refuse` to wait until it ends") from error
    except HubUnavailable as error:
        say(f"warning: {error}. Training continues, and its state is pushed when the Hub answers")
        return pusher
    if standing and fresh:
        branch.forget()
    elif standing:
        _pull(branch, standing, files, say)
    return pusher


def _pull(branch: Branch, standing: Standing, files: RunFiles, say: Callable[[str], None]) -> None:
    """Download the Hub's later state, if there is one.

    A failure ends the command, which would fall behind otherwise.
    """
    try:
        if branch.pull(standing, files, after=checkpoint.newest_step(files.state), say=say):
            say("the run resumes from the state on the Hub")
    except HubUnavailable as error:
        with suppress(HubUnavailable, LeaseLost):
            branch.release()
        raise Unavailable(
            f"the Hub has a later state of run {branch.run_id}, but its download failed ({error}). Run the same "
            "command again"
        ) from error


@dataclass
class Pusher:
    """The thread, and the newest snapshot that waits for it. Older ones that were not begun are dropped."""

    branch: Branch
    files: RunFiles
    push: Push
    say: Callable[[str], None]
    claimed: bool = False
    fresh: bool = False  # the run's state on the Hub is ignored
    lost: Reason | None = None  # why this machine must not continue
    _waiting: tuple[int, Path] | None = None
    _offered: int = 0  # step of the newest state that was to be pushed, whether or not that was possible
    _pushed: int = 0  # step of the state that is on the Hub
    _busy: bool = False
    _ending: bool = False
    _until: float = 0.0  # of time.monotonic(): when the last push must be done
    _not_before: float = 0.0  # of time.monotonic(), for what waits
    _renew_at: float = 0.0
    _released: bool = False
    _renewed: float = field(default_factory=time.monotonic)  # when the claim was last made or renewed
    _asked_for: float = 0.0  # the value of `_renewed` after which the Hub was asked whose the claim is
    _tries: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to push and to renew the lease."""
        for left in self.files.push.glob("step-*"):
            shutil.rmtree(left, ignore_errors=True)
        self._thread = threading.Thread(target=self._work, daemon=True, name="push")
        self._thread.start()

    def offer(self, step: int) -> None:
        """Take the state of a step for the thread to push. On a full disk, only the push is lost."""
        self._offered = step
        try:
            self._offer(step)
        except OSError as error:
            shutil.rmtree(self.files.push / f"step-{step}", ignore_errors=True)
            self.say(f"warning: the state of step {step} is not pushed ({error.strerror}). Training continues")

    def _offer(self, step: int) -> None:
        """Make the waiting snapshot from links to the state's files."""
        folder = self.files.push / f"step-{step}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        names, log_bytes = checkpoint.files_of(self.files.state, step)
        states = (self.files.state / name for name in names)
        for path in (*states, *self.files.kept().values(), self.files.record, self.files.splits):
            _link(path, folder / path.name)
        with self.files.log.open("rb") as log:
            (folder / self.files.log.name).write_bytes(log.read(log_bytes))
        with self._changed:
            before, self._waiting = self._waiting, (step, folder)
            self._changed.notify_all()
        if before:
            shutil.rmtree(before[1], ignore_errors=True)

    def verdict(self) -> Reason | None:
        """Return why this machine must not continue, or None if it may.

        A claim that was not renewed in time, such as that of a suspended process, may belong to another machine by now.
        The Hub is asked once before training continues.
        """
        overdue = self.claimed and time.monotonic() - self._renewed > self.push.lease
        if overdue and not self.lost and self._asked_for != self._renewed:
            with self._changed:
                tries, self._asked_for = self._tries, self._renewed
                self._not_before = self._renew_at = 0.0
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._tries != tries, timeout=hub.call_seconds())
        return self.lost

    def close(self, *, seconds: float, release: bool) -> bool:
        """End the thread within `seconds`. With `release`, push the waiting state and release the lease before.

        Returns whether the newest offered state is on the Hub.
        """
        if not self._thread:
            return False
        with self._changed:
            self._ending, self._released, self._until = True, not release, time.monotonic() + seconds
            self._waiting = self._waiting if release else None
            self._changed.notify_all()
        self._thread.join(seconds)
        there = not self._busy and self._pushed == self._offered > 0
        shutil.rmtree(self.files.push, ignore_errors=True)
        return there

    def _work(self) -> None:
        """Push what waits, renew the lease in between, and retry with longer pauses while the Hub does not answer."""
        self._plan()
        pause = _FIRST_PAUSE
        while not self.lost:
            ending = self._wait()
            try:
                self._turn(ending=ending)
                pause, self._renewed = _FIRST_PAUSE, time.monotonic()
                self._plan()
            except LeaseLost as error:
                self.lost = Reason(f"since {error}")
            except Exception as error:  # of any kind: training goes on, and the end of the run decides  # noqa: BLE001
                if ending and not self._released and time.monotonic() + _LAST_PAUSE < self._until:
                    time.sleep(_LAST_PAUSE)
                    continue
                self._not_before = self._renew_at = time.monotonic() + pause
                self.say(f"warning: not pushed ({error}){'' if ending else f'. The next try is in {pause:.0f} s'}")
                pause = min(2 * pause, _LONGEST_PAUSE, self.push.lease / 3)
            with self._changed:
                self._busy, self._tries = False, self._tries + 1
                self._changed.notify_all()
            if ending:
                return

    def _plan(self) -> None:
        self._not_before, self._renew_at = 0.0, time.monotonic() + self.push.lease / 3

    def _wait(self) -> bool:
        """Wait until there is something to do. Return whether it is the last."""
        with self._changed:
            while not self._ending:
                left = (self._not_before if self._waiting else self._renew_at) - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._busy = True
            return self._ending

    def _turn(self, *, ending: bool) -> None:
        if self._waiting:
            self._push_waiting()
        elif not ending:
            self._claim()
            self.branch.renew()
        if ending and self.claimed and not self._released:
            self.branch.release()

    def _claim(self) -> None:
        """Claim the lease if the Hub did not answer when the run began. A later state on the Hub is not overwritten."""
        if self.claimed:
            return
        standing = self.branch.take(wait=False, say=self.say)
        assert standing
        if self.fresh:
            self.branch.forget()
        elif (later := self.branch.step_of(standing, self.files, self.say)) > checkpoint.newest_step(self.files.state):
            self.branch.release()
            raise LeaseLost(f"the Hub has a later state (step {later})")
        self.claimed = True

    def _push_waiting(self) -> None:
        with self._changed:
            taken, self._waiting = self._waiting, None
        assert taken
        step, folder = taken
        began = time.monotonic()
        try:
            self._claim()
            size = self.branch.push(folder, step=step)
        except BaseException as error:
            with self._changed:
                if self._waiting is None and not isinstance(error, LeaseLost):
                    self._waiting = taken  # tried again; a later state replaces it
                else:
                    shutil.rmtree(folder, ignore_errors=True)
            raise
        self._pushed = step
        shutil.rmtree(folder, ignore_errors=True)
        self.say(f"the state of step {step} is on the Hub ({size / 1e6:,.1f} MB in {time.monotonic() - began:.1f} s)")


def _link(path: Path, target: Path) -> None:
    """Make a second name for a file that is never written again, or a copy if the file system has no links."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
