"""`method: bayes` by Optuna's TPE sampler (arXiv:1907.10902) over the quantiles of all parameters.

W&B's own search works in the same unit cube, with a Gaussian process. The study is rebuilt in memory for each draw, and
its sampler is seeded by the sweep's seed and the trial's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import InputError
from .metric import Metric


class Finished(NamedTuple):
    """A trial that a draw may depend on: its quantiles, how it ended, and its curve."""

    u: dict[str, float]
    state: str  # done, pruned or failed
    curve: tuple[float, ...]


def quantiles(names: Sequence[str], key: int, finished: Sequence[Finished], metric: Metric) -> dict[str, float]:
    """Return the quantile of each parameter, in [0, 1]. Raises InputError if Optuna is not installed."""
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names}
    sampler = optuna.samplers.TPESampler(seed=key & 0xFFFFFFFF)
    study = optuna.create_study(direction=metric.goal, sampler=sampler)
    study.add_trials([_trial(optuna, each, space, value) for each, value in _valued(finished, metric)])
    drawn = study.ask(space).params
    return {name: float(drawn[name]) for name in names}


def version() -> str:
    """Return Optuna's version, on which the draws depend. Raises InputError if it is not installed."""
    return str(_optuna().__version__)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError(
            "`method: bayes` needs Optuna, which is not installed. Install it with `pip install optuna`, or use "
            "`method: random`"
        ) from None
    return optuna


def _valued(finished: Sequence[Finished], metric: Metric) -> list[tuple[Finished, float]]:
    """Return the finished trials with their best values; one without any has what `impute` states."""
    known = [value for each in finished if (value := metric.best(each.curve)) is not None]
    if not known:
        return []
    worst, best = (min(known), max(known)) if metric.maximize else (max(known), min(known))
    found = []
    for each in finished:
        value = metric.best(each.curve)
        if value is None:
            value = best if metric.impute == "best" else worst
        elif each.state == "failed":
            value = {"best": value, "latest": each.curve[-1], "worst": worst}[metric.impute]
        found.append((each, value))
    return found


def _trial(optuna: Any, each: Finished, space: dict[str, Any], value: float) -> Any:
    """Return a finished trial as Optuna has it; a pruned one with the values of its epochs."""
    state = optuna.trial.TrialState
    if each.state == "pruned":
        epochs = dict(enumerate(each.curve, 1))
        return optuna.trial.create_trial(
            state=state.PRUNED, params=each.u, distributions=space, intermediate_values=epochs
        )
    return optuna.trial.create_trial(state=state.COMPLETE, params=each.u, distributions=space, value=value)
