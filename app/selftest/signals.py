"""`--sigterm`: SIGTERM, Ctrl-C, and Ctrl-C twice at a random step. The state is saved, and no work is lost."""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

from . import kept
from .child import Ended
from .trial import ALWAYS, Trial, Verdict

STOPPED, INTERRUPTED = 75, 130
MOST_SECONDS = 10.0  # from the signal to the exit
_ATTEMPTS = 8  # for the case that the first signal ends the run before the second one arrives
_BETWEEN = 0.003  # seconds between the two, at the first attempt


def prove(trial: Trial, _count: int) -> Verdict:
    """Stop three runs, resume each, and compare its result with the reference."""
    verdict, chance = Verdict("sigterm"), trial.chance("sigterm")
    once = [_once(trial, number, chance, verdict) for number in (signal.SIGTERM, signal.SIGINT)]
    twice = _twice(trial, chance, verdict)
    verdict.facts = {"seconds": dict(zip(("SIGTERM", "SIGINT", "SIGINT twice"), [*once, twice], strict=True))}
    verdict.summary = (
        f"SIGTERM and SIGINT save the state and exit with {STOPPED} after {once[0]:.1f} s and {once[1]:.1f} s, "
        f"a second SIGINT stops with {INTERRUPTED} after {twice:.1f} s; all three end in the undisturbed run's bytes"
    )
    return verdict


def _once(trial: Trial, number: signal.Signals, chance: random.Random, verdict: Verdict) -> float:
    """Send one signal and check that the step is finished and its state saved. Return the seconds until the exit."""
    name = number.name
    folder, aim = trial.folder(name.lower()), chance.randint(1, max(1, trial.steps // 2))
    with trial.start(folder) as child:
        verdict.expect(child.reaches(aim), f"the run for {name} ended before step {aim}")
        child.send(number)
        ended = child.wait()
    found, states = re.search(r"after step (\d+) of", ended.err), kept.states(folder)
    saved = states[-1] if states else "none"
    trial.say(f"{name} at step {aim}: exit {ended.code} after {ended.seconds:.2f} s, state {saved}: {ended.last_line}")
    verdict.expect(_is_stop(trial, ended), f"{name} ended with exit {ended.code}: {ended.last_line}")
    verdict.expect(found is not None and states[-1:] == [int(found[1])], f"{name} saved no state of the step it names")
    verdict.expect(ended.seconds <= MOST_SECONDS, f"{name} took {ended.seconds:.1f} s to exit")
    _go_on(trial, folder, name, verdict)
    return ended.seconds


def _is_stop(trial: Trial, ended: Ended) -> bool:
    """Return whether the exit code is that of a stop. A launcher of ranks has different exit codes."""
    return ended.code == STOPPED if trial.ranks == 1 else ended.code != 0


def _twice(trial: Trial, chance: random.Random, verdict: Verdict) -> float:
    """Send Ctrl-C twice and check that the second one stops at once. Return the seconds from it to the exit."""
    for attempt in range(1, _ATTEMPTS + 1):
        folder, aim = trial.folder(f"twice-{attempt}"), chance.randint(3, max(3, trial.steps // 2))
        with trial.start(folder, *ALWAYS) as child:
            verdict.expect(child.reaches(aim), f"the run for two SIGINT ended before step {aim}")
            child.send(signal.SIGINT)
            time.sleep(_BETWEEN * attempt)  # two that arrive together count as one
            child.send(signal.SIGINT)
            ended = child.wait()
        trial.say(f"SIGINT twice at step {aim}: exit {ended.code} after {ended.seconds:.2f} s: {ended.last_line}")
        if ended.code != STOPPED:  # the first had not ended the run yet
            break
    interrupted = ended.code == INTERRUPTED if trial.ranks == 1 else ended.code != 0
    verdict.expect(interrupted, f"SIGINT twice ended with exit {ended.code}: {ended.last_line}")
    verdict.expect("Traceback" not in ended.err, "SIGINT twice ended with a traceback")
    verdict.expect(trial.ranks > 1 or "interrupted" in ended.last_line, "SIGINT twice ended without a sentence")
    _go_on(trial, folder, "SIGINT twice", verdict)
    return ended.seconds


def _go_on(trial: Trial, folder: Path, name: str, verdict: Verdict) -> None:
    """Run the same command again, to its end."""
    ended = trial.finish(folder)
    verdict.expect("resumes at step" in ended.err, f"after {name} the run started over")
    verdict.failures += [f"after {name}: {what}" for what in kept.differences(trial.reference, folder)]
