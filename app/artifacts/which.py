"""The weights of a finished run that can be tested and loaded: the final ones, the best ones, and their average."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError

if TYPE_CHECKING:
    from .runs import Run


class Which(NamedTuple):
    """One set of weights: its name for a reader, and the names of its files and of its test in the record."""

    name: str  # final | best | ema
    file: str  # in RunFiles
    predictions: str  # in RunFiles
    test: str  # in Results
    title: str

    def require(self, run: Run) -> None:
        """Raise InputError if a run has no such weights."""
        if self is EMA and run.config.ema is None:
            raise InputError(f"run {run.record.run_id} was trained without --ema. Omit --ema, or train a run with it")


FINAL = Which("final", "weights", "predictions", "test", "final weights")
BEST = Which("best", "best", "best_predictions", "test_best", "best weights")
EMA = Which("ema", "ema", "ema_predictions", "test_ema", "averaged weights")
ALL = (FINAL, BEST, EMA)


def chosen(*, best: bool = False, ema: bool = False) -> Which:
    """Return the weights that two switches choose. Raise InputError for both."""
    if best and ema:
        raise InputError("--best and --ema choose different weights. Omit one of them")
    return BEST if best else EMA if ema else FINAL
