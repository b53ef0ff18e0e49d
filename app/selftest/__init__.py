"""Proof on the user's machine that nothing is lost: runs that are killed, stopped and damaged, and what came of them.

A kind of selftest is a function and a line in `KINDS`, and an option in `app/cli/selftest.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import InputError
from . import damage, full_disk, hub_faults, hub_move, kill, rows, signals
from .trial import Failed, Trial, Verdict


@dataclass(frozen=True)
class Kind:
    """A kind of selftest: `prove` takes the trial and how often; 0 often by default is only when asked."""

    prove: Callable[[Trial, int], Verdict]
    default: int = 0
    available: Callable[[], bool] = lambda: True


KINDS = {
    "kill": Kind(kill.prove, 2),
    "sigterm": Kind(signals.prove, 1),
    "enospc": Kind(full_disk.prove, 1, full_disk.available),
    "log": Kind(rows.prove, 1),
    "damage": Kind(damage.prove),
    "hub-move": Kind(hub_move.prove),
    "hub-faults": Kind(hub_faults.prove),
}


def run(asked: Mapping[str, int], trial: Trial) -> list[Verdict]:
    """Proves the kinds asked for, each so often, or the default ones where none is; tells each verdict as it falls."""
    chosen = {name: count for name, count in asked.items() if count} or _defaults(trial.say)
    verdicts = []
    for name, count in chosen.items():
        began = time.monotonic()
        verdicts.append(_proved(name, count, trial))
        verdicts[-1].facts["seconds_in_all"] = round(time.monotonic() - began, 1)
        trial.say(verdicts[-1].line())
    return verdicts


def _defaults(say: Callable[[str], None]) -> dict[str, int]:
    for name, kind in KINDS.items():
        if kind.default and not kind.available():
            say(f"{name} is not available on this system and left out")
    return {name: kind.default for name, kind in KINDS.items() if kind.default and kind.available()}


def _proved(name: str, count: int, trial: Trial) -> Verdict:
    if not KINDS[name].available():
        raise InputError(f"--{name} is not available on this system; leave it out")
    try:
        return KINDS[name].prove(trial, count)
    except Failed as failure:
        return Verdict(name, [str(failure)])
