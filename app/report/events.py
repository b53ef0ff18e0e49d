"""Time to an event over seeds: when a validation loss stays below a threshold, and how likely it does by an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IN_A_ROW = 3  # epochs under the threshold
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """A run's epoch of the event, or its last epoch if there was none (right-censored)."""

    epoch: int
    reached: bool


@dataclass(frozen=True)
class Likelihood:
    """A step function: the likelihood that the event occurred by an epoch, (k,) each, and 0 before the first."""

    epochs: Floats
    values: Floats


def time_to(losses: Sequence[float], threshold: float) -> Event:
    """Return the third of the first three consecutive epochs with a loss below the threshold. Epochs count from 1."""
    row = 0
    for epoch, loss in enumerate(losses, start=1):
        row = row + 1 if loss < threshold else 0
        if row == IN_A_ROW:
            return Event(epoch, reached=True)
    return Event(len(losses), reached=False)


def kaplan_meier(events: Sequence[Event]) -> Likelihood:
    """Return 1 - S(t), where S is the product of (1 - d / n) over event times (Kaplan, Meier 1958).

    At each time there are d events among n runs at risk.
    """
    from scipy import stats

    found = stats.ecdf(stats.CensoredData(
        uncensored=[float(event.epoch) for event in events if event.reached],
        right=[float(event.epoch) for event in events if not event.reached],
    ))  # fmt: skip
    return Likelihood(np.asarray(found.cdf.quantiles, float), np.asarray(found.cdf.probabilities, float))


def nelson_aalen(events: Sequence[Event]) -> Likelihood:
    """Return 1 - exp(-H(t)), where H is the sum of d / n over event times (Nelson 1972, Aalen 1978).

    At each time there are d events among n runs at risk.
    """
    epochs = np.array([event.epoch for event in events], float)
    reached = np.array([event.reached for event in events])
    times = np.unique(epochs)
    at_risk = np.array([(epochs >= time).sum() for time in times])
    happened = np.array([(reached & (epochs == time)).sum() for time in times])
    return Likelihood(times, -np.expm1(-np.cumsum(happened / at_risk)))


def median(curve: Likelihood) -> float | None:
    """Return the first epoch by which the event is at least as likely as not, or None if it never is."""
    half = curve.epochs[curve.values >= 0.5]
    return float(half[0]) if len(half) else None
