"""`--kill N`: SIGKILL at N random steps, also while a state is written. The same command ends in the same bytes."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

from . import kept, rows
from .trial import ALWAYS, Failed, Trial, Verdict

_LATER = 0.05  # seconds after a step within which the kill comes: a few steps and states of the tiny run


def prove(trial: Trial, count: int) -> Verdict:
    """Kill a run `count` times, resume it each time, and compare its result with the reference."""
    verdict, chance, reference = Verdict("kill"), trial.chance("kill"), trial.reference
    folder = trial.folder("killed")
    aims, struck = steps(chance, count, trial.steps), []
    for number, aim in enumerate(aims, start=1):
        at, said = killed(trial, folder, aim, chance)
        trial.say(f"kill {number} of {count}: {said}")
        struck += [at] if at is not None else []
    ended = trial.finish(folder)
    begun = re.search(r"(resumes at step \d+|begins|done already)", ended.err)
    trial.say(f"then left alone: {begun[0] if begun else ended.last_line}")
    verdict.expect(len(struck) == count, f"{len(struck)} of {count} kills struck")
    verdict.failures += kept.differences(reference, folder)
    verdict.failures += [f"the undisturbed run's log: {what}" for what in rows.faults(kept.the_run(reference))]
    verdict.facts = {"kills": count, "struck": len(struck), "steps": struck}
    verdict.summary = (
        f"{len(struck)} of {count} kills struck, at steps {', '.join(map(str, struck))} of {trial.steps}; weights, "
        "best weights and predictions equal the undisturbed run's in every byte, its log in all but times; "
        f"{rows.tally(kept.the_run(reference))}; nothing is left behind"
    )
    return verdict


def steps(chance: random.Random, count: int, of: int) -> list[int]:
    """Return `count` random steps in order, without repetition if there are enough steps."""
    every = range(1, of + 1)
    return sorted(chance.sample(every, count) if count <= of else chance.choices(every, k=count))


def killed(trial: Trial, folder: Path, aim: int, chance: random.Random) -> tuple[int | None, str]:
    """Start the command and kill it soon after a step. Return the step it had reached, or None if it ended before."""
    wait = chance.uniform(0, _LATER)
    with trial.start(folder, *ALWAYS) as child:
        if not child.reaches(aim):
            ended = child.wait()
            raise Failed(f"the run ended before step {aim} with exit {ended.code}: {ended.last_line}")
        time.sleep(wait)
        hit = child.kill()
        at = child.step()
    writing = kept.asides(folder)
    told = f"while it wrote {writing[-1]}" if writing else "between two files"
    when = f"{wait * 1000:.0f} ms after it had logged step {aim}, at step {at}"
    complete = ", ".join(map(str, kept.states(folder))) or "none"
    return at if hit else None, f"SIGKILL {when}, {told}; complete states: {complete}" if hit else "missed"
