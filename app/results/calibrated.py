"""The calibration of one run on its test set: proper scores with intervals, calibration errors, and a temperature."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..artifacts.predictions import Predictions
from ..statistics import reliability, student
from ..statistics.grouping import codes_of, grouped
from . import scores

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Proper scores of a run with their 95 % intervals for new test examples, and its calibration errors.

    `groups` is the number of groups of examples that the intervals treat as one: patients, or frames of a simulation.
    """

    n: int
    groups: int | None
    nll: float  # nats
    nll_interval: Interval | None
    brier: float  # 0 to 2
    brier_interval: Interval | None
    ece_debiased: float  # a fraction; may be negative
    ece: float

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name. An interval is null if the test set has one example or group."""
        return asdict(self)


def calibrated(found: Predictions, temperature: float = 1.0) -> Calibrated:
    """Return the calibration of a classification's predictions with logits divided by the temperature.

    Raises ValueError for fewer than two examples.
    """
    scaled = replace(found, logits=found.logits.astype(np.float64) / temperature)
    nll, brier = scores.nll(scaled), scores.brier(scaled)
    confidence, right = scores.confidences(scaled), scores.correct(found)
    units = found.groups if found.groups is not None else found.names
    codes = None if units is None else codes_of(units.tolist(), len(units))
    return Calibrated(
        n=len(nll), groups=None if codes is None else int(codes.max()) + 1,
        nll=float(nll.mean()), nll_interval=_interval(nll, codes),
        brier=float(brier.mean()), brier_interval=_interval(brier, codes),
        ece_debiased=reliability.debiased(confidence, right), ece=reliability.ece(confidence, right),
    )  # fmt: skip


def bins(found: Predictions) -> tuple[reliability.Bin, ...]:
    """Return the bins of a run's reliability diagram, of equal mass."""
    return reliability.reliability(scores.confidences(found), scores.correct(found))


def _interval(values: np.ndarray, codes: np.ndarray | None) -> Interval | None:
    """Return the interval of a mean by Student's t, over groups of examples if there are any."""
    units = values if codes is None else grouped(values, codes)
    if len(units) < 2:
        return None
    se = float(units.std(ddof=1)) / len(units) ** 0.5
    return student.interval(float(values.mean()), se, len(units) - 1)
