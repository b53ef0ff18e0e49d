"""A proof on the user's machine that no work is lost: runs that are killed and stopped, and their results.

A kind of selftest is a function and a line in `KINDS`, and an option in `app/cli/selftest.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import kill, signals
from .trial import Failed, Trial, Verdict


@dataclass(frozen=True)
class Kind:
    """A kind of selftest. `prove` gets the trial and a count, and `default` is the count if no kind is named."""

    prove: Callable[[Trial, int], Verdict]
    default: int


KINDS = {
    "kill": Kind(kill.prove, 2),
    "sigterm": Kind(signals.prove, 1),
}


def run(asked: Mapping[str, int], trial: Trial) -> list[Verdict]:
    """Run the named kinds, or all with their defaults if none is named. Report each verdict when it is known."""
    chosen = {name: count for name, count in asked.items() if count}
    verdicts = []
    for name, count in (chosen or {name: kind.default for name, kind in KINDS.items()}).items():
        began = time.monotonic()
        verdicts.append(_proved(name, count, trial))
        verdicts[-1].facts["seconds_in_all"] = round(time.monotonic() - began, 1)
        trial.say(verdicts[-1].line())
    return verdicts


def _proved(name: str, count: int, trial: Trial) -> Verdict:
    try:
        return KINDS[name].prove(trial, count)
    except Failed as failure:
        return Verdict(name, [str(failure)])
