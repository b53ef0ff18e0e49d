"""A run that moves: killed, its folder emptied, continued from the Hub; the end equals an undisturbed run's."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.server import HubServer

from app.selftest import kept
from app.selftest.child import PATIENCE, Child, Ended
from app.selftest.trial import Failed, Trial, Verdict

REPOSITORY = "tester/runs"
_LEASE = 4.0  # seconds; a machine takes about as long to begin
KEPT_THERE = ("--upload", "--push-every", "0.2s", "--lease", f"{_LEASE:g}s")
_TOLERANCE = 0.2  # seconds: leases are rounded
_STOPPED = 75
_LEAST_EPOCHS = 12  # so that the tiny run lasts for a few pushes on each machine
_EPOCHS_A_MOVE = 6
_LATER = 0.15  # seconds after a push within which the signal comes


def prove(trial: Trial, count: int) -> Verdict:
    """Moves a run `count` times after SIGKILL, another once after SIGTERM; compares both with the reference."""
    verdict, chance = Verdict("hub-move"), trial.chance("hub-move")
    longer = replace(
        trial, root=trial.folder("hub-move"), epochs=max(trial.epochs, _LEAST_EPOCHS, _EPOCHS_A_MOVE * count)
    )
    killed = _moved(longer, "killed", [signal.SIGKILL] * count, chance, verdict)
    stopped = _moved(longer, "stopped", [signal.SIGTERM], chance, verdict)
    verdict.facts = {"moves": count + 1, "killed_at": killed, "stopped_at": stopped}
    verdict.summary = (
        f"{count} moves after SIGKILL, with the states of steps {', '.join(map(str, killed))} of {longer.steps} on the "
        f"Hub, and one after SIGTERM at step {stopped[0]}, each into an empty folder and none before the claim's end; "
        "weights, best weights and predictions equal the undisturbed run's in every byte, its log in all but times; "
        "the run lies on main, its branch is gone"
    )
    return verdict


def _moved(
    trial: Trial, name: str, signals: list[signal.Signals], chance: random.Random, verdict: Verdict
) -> list[int]:
    """A run that is disturbed by each of the signals, on a machine of its own each time; returns the pushed steps."""
    reference, folder, steps = trial.reference, trial.folder(name), [0]
    with HubServer() as server:
        there = Mover(trial, server, folder)
        for number in signals:
            steps.append(there.disturb(number, steps[-1], chance, verdict))
            shutil.rmtree(folder)
            folder.mkdir()
        ended = there.end(verdict, released=signals[-1] != signal.SIGKILL)
        run = kept.the_run(folder)
        verdict.failures += [f"{name}: {what}" for what in [*there.early_claims(), *_on_the_hub(server, folder)]]
    verdict.failures += [
        f"{name}: {what}" for what in kept.differences(reference / "checkpoints", run.files.folder.parent)
    ]
    places = [place.from_step for place in run.record.places]
    verdict.expect(places == steps, f"{name}: the record lists places that began from steps {places}, not from {steps}")
    trial.say(f"then left alone: {ended.last_line if ended.code else f'{len(places)} places, from steps {places}'}")
    return steps[1:]


class Mover:
    """A run that is kept on a local Hub while it trains, in one folder that stands for many machines'."""

    def __init__(self, trial: Trial, server: HubServer, folder: Path) -> None:
        self.trial, self.server, self.folder = trial, server, folder
        self._leases: list[dict[str, Any]] = []  # every one there was, oldest first, as the run's end left the branch
        server.fault("DELETE .*/branch/run-", status=None, meanwhile=self._read_leases)

    @contextmanager
    def start(self) -> Iterator[Child]:
        """The command as it runs on a machine without anything: its cache and its home are in the folder, too."""
        own = self.server.environment(home=self.folder / "home") | {"HF_REPOSITORY": REPOSITORY}
        with self.trial.start(self.folder, *KEPT_THERE, **own, ISOSCALE_CACHE=str(self.folder / "cache")) as child:
            yield child

    def disturb(self, number: signal.Signals, before: int, chance: random.Random, verdict: Verdict) -> int:
        """Sends the signal some time after a state behind step `before` was pushed; returns the newest pushed step."""
        with self.start() as child:
            self._wait_for_a_push(child, before)
            time.sleep(wait := chance.uniform(0, _LATER))
            at = child.step()
            if number == signal.SIGKILL:
                verdict.expect(child.kill(), "the kill did not strike")
                said = "killed"
            else:
                child.send(number)
                said = self._stopped(child.wait(), verdict)
        pushed = pushed_step(self.server)
        lease = "its lease stands" if number == signal.SIGKILL else "its lease is released"
        self.trial.say(
            f"{number.name} {wait * 1000:.0f} ms after a push, at step {at}: {said}; the state of step {pushed} is on "
            f"the Hub, {lease}; the folder is emptied"
        )
        return pushed

    def _wait_for_a_push(self, child: Child, before: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while pushed_step(self.server) <= before:
            if child.process.poll() is not None or time.monotonic() > deadline:
                ended = child.wait()
                raise Failed(f"no state behind step {before} was pushed, exit {ended.code}: {ended.last_line}")
            time.sleep(0.002)

    def _stopped(self, ended: Ended, verdict: Verdict) -> str:
        """Notes an end that is not a good one for SIGTERM; returns how it was."""
        one = self.trial.ranks == 1  # a launcher of ranks has exit codes of its own
        verdict.expect(ended.code == _STOPPED if one else ended.code != 0, f"SIGTERM: exit {ended.code}")
        verdict.expect("and on the Hub" in ended.err, f"SIGTERM did not push the last state: {ended.last_line}")
        return f"exit {ended.code} after {ended.seconds:.2f} s"

    def end(self, verdict: Verdict, *, released: bool) -> Ended:
        """Lets the run finish; a claim that was `released` must not be waited for."""
        with self.start() as child:
            ended = child.wait()
        if ended.code:
            raise Failed(f"the moved run ended with exit {ended.code}: {ended.last_line}")
        verdict.expect("the run resumes from the state on the Hub" in ended.err, "the run did not go on from the Hub")
        waited = "waits until it ends or its claim expires" in ended.err
        verdict.expect(not (waited and released), "a claim that was released was waited for")
        self.trial.say(f"the last machine {'waited for the end of' if waited else 'began after'} the claim before it")
        return ended

    def _read_leases(self) -> None:
        contents, name = self.server.repositories.contents, branches(self.server)[0]
        blobs = [commit.files.get("state/lease.json") for commit in reversed(self.server.commits(REPOSITORY, name))]
        self._leases = [json.loads(b"".join(contents.read(blob.sha256))) for blob in blobs if blob]

    def early_claims(self) -> list[str]:
        """Claims that another machine made while one before it still held the run."""
        pairs = itertools.pairwise(self._leases)
        taken = [(old, new) for old, new in pairs if old["holder"] != new["holder"]]
        early = [new for old, new in taken if new["until"] - _LEASE < old["until"] - _TOLERANCE]
        found = [f"{len(early)} of {len(taken)} claims were made before the end of the one before"] if early else []
        return found if taken else ["no other machine has claimed the run"]


def branches(server: HubServer) -> list[str]:
    """Names of the branches of unfinished runs."""
    repository = server.repositories.all.get(("model", REPOSITORY))
    return [name for name in (repository.branches if repository else ()) if name.startswith("run-")]


def pushed_step(server: HubServer) -> int:
    """The step of the newest state on the Hub, 0 where there is none."""
    with server.repositories.lock:
        messages = [commit.message for name in branches(server) for commit in server.commits(REPOSITORY, name)]
    found = (re.fullmatch(r"State of step (\d+)", message) for message in messages)
    return next((int(step[1]) for step in found if step), 0)


def _on_the_hub(server: HubServer, folder: Path) -> list[str]:
    """What is wrong with a finished run on main."""
    run, there = kept.the_run(folder), server.files(REPOSITORY)
    place = f"{run.record.model}/{run.files.stem}"
    found = [f"the branch {name} is still there" for name in branches(server)]
    for path in run.files.present():
        if there.get(f"{place}/{path.name}") != path.read_bytes():
            found.append(f"{path.name} is not on main as it is here")
    return found
