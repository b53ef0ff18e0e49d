"""The draws of a sweep, each of the file, the sweep's seed, the trial's number and the trials that finished before."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import draws
from ..errors import InputError
from . import bayes
from .bayes import Finished
from .parameters import MOST_TRIALS, Parameter
from .sweepfile import SweepFile

_LEAST = 2.0**-53  # quantile functions are infinite at 0 and 1


class Draw(NamedTuple):
    """The quantiles and the values of one trial, by parameter. A grid search has no quantiles."""

    u: dict[str, float]
    values: dict[str, Any]


def draw(file: SweepFile, seed: int, number: int, finished: Sequence[Finished]) -> Draw:
    """Return the draw of a trial, whose number is below `most(file)`. Raises InputError if Optuna is missing."""
    if file.method == "grid":
        return Draw({}, _combination(file.parameters, number))
    searched = [each.name for each in file.parameters if not each.is_constant]
    if file.method == "random" or not searched:
        u = {name: uniform(seed, number, name) for name in searched}
    else:
        u = bayes.quantiles(searched, draws.key(draws.SWEEP, seed, number), finished, file.metric)
        u = {name: min(max(value, _LEAST), 1 - _LEAST) for name, value in u.items()}
    return Draw(u, {each.name: each.at(u.get(each.name, 0.5)) for each in file.parameters})


def most(file: SweepFile) -> int | None:
    """Return how many trials a sweep can have: the combinations of a grid, else None for no end."""
    if file.method != "grid":
        return None
    return math.prod(len(each.grid) for each in file.parameters)


def uniform(seed: int, number: int, name: str) -> float:
    """Return a number in (0, 1) with 53 random bits, keyed by the sweep's seed, the trial and the parameter."""
    of_name = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return ((draws.key(draws.SWEEP, seed, number, of_name) >> 10) + 0.5) * _LEAST


def require(file: SweepFile, cap: int | None) -> None:
    """Raise InputError for a grid without lists of values, and for a search without an end or with a far one."""
    if cap is not None and cap > MOST_TRIALS:
        raise InputError(
            f"the sweep has {cap:,} trials, and at most {MOST_TRIALS:,} are allowed. Give fewer with --trials"
        )
    if file.method == "grid":
        most(file)
    elif cap is None:
        raise InputError(
            f"`method: {file.method}` never ends by itself, and the file has no run_cap. Give the number of trials "
            "with --trials"
        )


def _combination(searched: Sequence[Parameter], number: int) -> dict[str, Any]:
    """Return the values of a grid's trial: all combinations in W&B's order, the last parameter fastest."""
    values: dict[str, Any] = {}
    for each in reversed(searched):
        number, at = divmod(number, len(each.grid))
        values[each.name] = each.grid[at]
    return dict(reversed(values.items()))
