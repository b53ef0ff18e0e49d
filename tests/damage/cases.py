"""Damage: cut or flipped files of a run and of the cache, each met by the command that reads it.

A case passes where the damage is refused in a sentence (exit 4), where it is named and passed over, or where the right
numbers come out all the same; it fails at a traceback, at a defect, and where a wrong number is used without a word.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.selftest import kept
from app.selftest.kill import killed
from app.selftest.trial import Failed, Trial, Verdict

from .answer import Answer, Caller, Normal, finished, unchanged

CRASHES = 3  # runs killed at different steps, whose states are damaged
GOOD = ("refused", "passed over", "harmless")
_SHOWN = 20  # failing cases that are named one by one


class Row(NamedTuple):
    """A file that can be damaged, where it is (the last by name and step), and what reads it."""

    artifact: str
    place: str
    stopped: bool  # in a run that was killed, else in a finished one
    commands: tuple[str, ...]


_EVALUATE, _AGAIN, _BEST = "evaluate", "evaluate --again", "evaluate --best"
_DONE, _PLOT = "train --json", "plot loss"
ROWS = (
    Row("state", "**/*.state/state-*.safetensors", True, ("train",)),
    Row("manifest of the state", "**/*.state/state-*.json", True, ("train",)),
    Row("best weights of the state", "**/*.state/best-*.safetensors", True, ("train",)),
    Row("record, unfinished", "checkpoints/*/model_*.json", True, ("train",)),
    Row("log, unfinished", "**/*_training.log", True, ("train",)),
    Row("splits, unfinished", "**/*_splits.parquet", True, ("train",)),
    Row("cached images", "cache/**/train-images.u8", True, ("train",)),
    Row("cached labels", "cache/**/train-labels.npy", True, ("train",)),
    Row("manifest of the cache", "cache/**/manifest.json", True, ("train",)),
    Row("cached images, finished", "cache/**/train-images.u8", False, (_AGAIN, _BEST)),
    Row("cached rows, finished", "cache/**/train-rows.npy", False, (_AGAIN, _BEST)),
    Row("weights", "**/model_*[!t].safetensors", False, (_AGAIN,)),
    Row("best weights", "**/*_best.safetensors", False, (_BEST,)),
    Row("record", "checkpoints/*/model_*.json", False, (_DONE, _EVALUATE, _AGAIN)),
    Row("log", "**/*_training.log", False, (_PLOT,)),
    Row("predictions", "**/*_predictions.parquet", False, (_EVALUATE,)),
    Row("splits", "**/*_splits.parquet", False, (_EVALUATE, _AGAIN)),
)


class Case(NamedTuple):
    """One damage and what came of it."""

    artifact: str
    command: str
    verdict: str  # one of GOOD, "silent" or "defect"
    told: str


@dataclass
class Scene:
    """A folder to copy for each case, and what each command answers there when nothing is damaged."""

    folder: Path
    normal: Normal
    answers: dict[str, Answer]


def prove(trial: Trial, count: int) -> Verdict:
    """Damages `count` files, one at a time, each in a fresh copy."""
    verdict, cases = Verdict("damage"), []
    with Caller(trial) as caller:
        crashed, done = [_crashed(trial, number) for number in range(1, CRASHES + 1)], _done(trial)
        for number in range(1, count + 1):
            chance = trial.chance(f"damage-{number}")
            row, command = chance.choice([(row, command) for row in ROWS for command in row.commands])
            cases.append(_case(caller, chance.choice(crashed) if row.stopped else done, row, command, chance))
            if cases[-1].verdict not in GOOD:
                trial.say(f"case {number} of seed {trial.seed}: {cases[-1].told}")
                if sum(case.verdict not in GOOD for case in cases) <= _SHOWN:
                    caller.keep(number)
    _tell(trial.say, cases)
    _judge(verdict, cases, trial.seed)
    return verdict


def _crashed(trial: Trial, number: int) -> Scene:
    """A run killed at a random step, its cache beside it, and the figures of the reference, which nothing reads."""
    chance, folder = trial.chance(f"crash-{number}"), trial.folder(f"crash-{number}")
    at, said = killed(trial, folder, chance.randint(2, trial.steps - 1), chance)
    if at is None or not kept.states(folder):
        raise Failed(f"the run to damage has no state: {said}")
    trial.say(f"run {number} to damage: {said}")
    whole, cut = kept.the_run(trial.reference).files, kept.the_run(folder).files
    for name in ("loss_png", "loss_svg", "confusion_png", "confusion_svg"):
        shutil.copy(getattr(whole, name), getattr(cut, name))
    shutil.copytree(trial.cache, folder / "cache")
    return Scene(folder, finished, {})


def _done(trial: Trial) -> Scene:
    """The reference and its cache."""
    folder = trial.root / "finished"
    shutil.copytree(trial.reference, folder)
    shutil.copytree(trial.cache, folder / "cache")
    return Scene(folder, unchanged, {})


def _case(caller: Caller, scene: Scene, row: Row, command: str, chance: random.Random) -> Case:
    """Copies the scene, damages one file, gives the command, and compares its answer with the undamaged one."""
    whole = _undamaged(caller, scene, command)
    folder = caller.lay_out(scene.folder)
    path = max(folder.glob(row.place), key=lambda found: (len(found.name), found.name))
    how = spoil(path, chance)
    spoilt, name = path.stat(), str(path.relative_to(folder))
    answer = caller.call(command, scene.normal)
    stays = path.exists() and (path.stat().st_ino, path.stat().st_mtime_ns) == (spoilt.st_ino, spoilt.st_mtime_ns)
    # what a run is continued from must be right in the end; what is only read may stay as it is
    unread = (name,) if stays and (not row.stopped or name.startswith("cache")) else ()
    wrong = ", ".join(answer.differences(whole, unread))
    verdict = judged(answer, wrong)
    said = answer.last_line if answer.code or not wrong else f"exit 0, but {wrong} differs"
    return Case(row.artifact, command, verdict, f"{how} of the {row.artifact}, then {command}: {verdict}: {said}")


def _undamaged(caller: Caller, scene: Scene, command: str) -> Answer:
    """What a command answers where nothing is damaged; asked once."""
    if command not in scene.answers:
        caller.lay_out(scene.folder)
        answer = scene.answers[command] = caller.call(command, scene.normal)
        if answer.code:
            raise Failed(f"{command} without damage ended with exit {answer.code}: {answer.last_line}")
    return scene.answers[command]


def spoil(path: Path, chance: random.Random) -> str:
    """Cuts the file or flips one of its bits; says where."""
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    if chance.random() < 0.5:
        path.write_bytes(data[:place])
        return f"cut after {place:,} of {len(data):,} bytes"
    bit = chance.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place:,} of {len(data):,} flipped"


def judged(answer: Answer, wrong: str) -> str:
    """What the answer to a damaged file is worth; `wrong` names what is not as without damage."""
    if answer.code in (2, 4) and answer.is_sentence:
        return "refused"
    if answer.code or "Traceback" in answer.err:
        return "defect"
    if wrong:
        return "silent"
    return "passed over" if "damaged" in answer.err else "harmless"


def _tell(say: Callable[[str], None], cases: list[Case]) -> None:
    """How often each file met each command, and how that ended."""
    counts = Counter((case.artifact, case.command, case.verdict) for case in cases)
    for artifact, command in sorted({(case.artifact, case.command) for case in cases}):
        ends = {end: counts[artifact, command, end] for end in (*GOOD, "silent", "defect")}
        told = ", ".join(f"{number} {end}" for end, number in ends.items() if number)
        say(f"{artifact}, {command}: {told}")


def _judge(verdict: Verdict, cases: list[Case], seed: int) -> None:
    ends = Counter(case.verdict for case in cases)
    bad = [case for case in cases if case.verdict not in GOOD]
    pairs = Counter(f"{case.artifact}, {case.command}: {case.verdict}" for case in bad)
    told = [f"{pair} ({number} of seed {seed})" for pair, number in sorted(pairs.items())]
    verdict.failures += told[:_SHOWN]
    verdict.facts = {"cases": len(cases), **ends, "pairs": dict(pairs)}
    verdict.summary = f"{len(cases)} damaged files: " + ", ".join(f"{ends[end]} {end}" for end in GOOD)
