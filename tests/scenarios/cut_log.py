"""A log whose last line was cut in two: after the same command each batch stands there once and in order."""

from __future__ import annotations

from pathlib import Path

from app.selftest import kept
from app.selftest.kill import killed
from app.selftest.rows import faults, tally
from app.selftest.trial import Trial, Verdict


def prove(trial: Trial) -> Verdict:
    """Looks at an undisturbed log, and at one that was killed, spoilt in its last line, and continued."""
    verdict, chance = Verdict("log"), trial.chance("log")
    whole = kept.the_run(trial.reference)
    verdict.failures += [f"undisturbed: {what}" for what in faults(whole)]
    trial.say(f"undisturbed: {tally(whole)}")
    folder = trial.folder("cut-log")
    at, said = killed(trial, folder, chance.randint(2, trial.steps - 1), chance)
    verdict.expect(at is not None, "the kill did not strike")
    half = spoil(folder, chance.random())
    trial.say(f"{said}; then {half!r} was put at the log's end")
    trial.finish(folder)
    mended = kept.the_run(folder)
    verdict.failures += [f"continued: {what}" for what in faults(mended)]
    verdict.failures += kept.differences(trial.reference, folder)
    trial.say(f"continued: {tally(mended)}")
    verdict.facts = {"lines": len(kept.rows(whole.files.log))}
    verdict.summary = f"{tally(whole)}; the same after a kill and half a line at its end"
    return verdict


def spoil(folder: Path, share: float) -> str:
    """Puts the beginning of a row, without its end, behind the log of a killed run; returns it."""
    log = next(folder.rglob("*_training.log"))
    line = log.read_text().splitlines()[-1]
    half = line[: 1 + int(share * (len(line) - 1))]
    with log.open("a") as file:
        file.write(half)
    return half
