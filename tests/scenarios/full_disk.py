"""A full disk: a write that fails in its middle, as on a full disk; the state before it is whole, and the run goes on.

The disk is not filled: the child's files are limited in size (RLIMIT_FSIZE), so that the system refuses with EFBIG
where a full disk refuses with ENOSPC.
"""

from __future__ import annotations

import re
import resource
import signal
from contextlib import suppress
from pathlib import Path

from app.selftest import kept
from app.selftest.child import Child
from app.selftest.trial import ALWAYS, Failed, Trial, Verdict

FAILED = 4
_MORE = 20  # bytes of a log's row that still go to the file


def available() -> bool:
    """Whether this system lets one process limit another."""
    return hasattr(resource, "prlimit")


def limit_files(child: Child, size: int) -> None:
    """Lets no file grow beyond `size` bytes from now on: a write that would is cut there and fails (Linux)."""
    for process in child.processes():
        with suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (size, size))


def prove(trial: Trial) -> Verdict:
    """Lets a state and a log fail, then runs the same commands without the limit."""
    verdict, sentences = Verdict("enospc"), []
    for what, fail in (("state", _a_state), ("log", _a_row)):
        folder = trial.folder(f"full-{what}")
        with fail(trial, folder) as child:
            ended = child.wait()
        sentence = ended.last_line
        trial.say(f"{what}: exit {ended.code}: {sentence}")
        verdict.expect(ended.code == FAILED, f"a {what} that failed ended with exit {ended.code}: {sentence}")
        verdict.expect("Traceback" not in ended.err, f"a {what} that failed ended with a traceback")
        wanted = re.search(r"\d[\d,]* bytes", sentence)
        verdict.expect(bool(wanted), f"the sentence for a {what} that failed does not say how many bytes are wanted")
        verdict.failures += [f"{name} is half a file, left behind" for name in kept.asides(folder)]
        verdict.expect(bool(kept.states(folder)), f"no state is left after a {what} failed")
        again = trial.finish(folder)
        verdict.expect("resumes at step" in again.err, f"after a {what} failed the run was retrained from step 1")
        verdict.failures += [f"after a {what} failed: {how}" for how in kept.differences(trial.reference, folder)]
        sentences.append(sentence)
    verdict.facts = {"sentences": sentences}
    verdict.summary = "a state and a log that could not be written: one sentence, exit 4, and the same bytes afterwards"
    return verdict


def _a_state(trial: Trial, folder: Path) -> Child:
    """A run whose next state finds no room for its second half."""
    aim = trial.chance("enospc").randint(2, max(2, trial.steps // 2))
    child = trial.start(folder, *ALWAYS)
    try:
        if not child.reaches(aim):
            raise Failed(f"the run for a failing state ended before step {aim}: {child.wait().last_line}")
        size = max(path.stat().st_size for path in folder.rglob("state-*.safetensors"))
        limit_files(child, trial.chance("limit").randint(size // 2, size - 1))
        trial.say(f"state: from step {child.step()} on no file may reach the {size:,} bytes of a state")
    except BaseException:
        child.kill()
        raise
    return child


def _a_row(trial: Trial, folder: Path) -> Child:
    """A run, continued from a state, whose next row of the log finds no room for its second half."""
    with trial.start(folder) as stopped:
        stopped.reaches(trial.chance("enospc-log").randint(1, max(1, trial.steps // 2)))
        stopped.send(signal.SIGTERM)
        stopped.wait()
    child = trial.start(folder)
    try:
        if not child.reaches(1):
            raise Failed(f"the run for a failing log ended early: {child.wait().last_line}")
        log = child.log()
        assert log, "a step was logged"
        limit_files(child, log.stat().st_size + _MORE)
        trial.say(f"log: from step {child.step()} on no file may grow beyond {log.stat().st_size + _MORE:,} bytes")
    except BaseException:
        child.kill()
        raise
    return child
