"""A run's loss per batch, smoothed, and the axes in which several runs can be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import log
from ..artifacts.runs import Run
from ..errors import InputError

Floats = npt.NDArray[np.float64]
SPLITS = {"train": "training", "val": "validation"}
_SETTLED = 0.05  # share of the batches: earlier ones may leave the frame
_LOG_RATIO = 20  # a loss that falls by more is read on a logarithmic axis


@dataclass(frozen=True)
class Curve:
    """One run's loss on one split, one value per batch: steps, losses and the smoothed line, all (batches,)."""

    steps: Floats
    losses: Floats
    line: Floats
    window: int  # batches
    per_epoch: int  # batches
    examples: int  # of a full batch

    @classmethod
    def of(cls, run: Run, rows: list[dict[str, Any]], split: str) -> Curve:
        """Read the rows of a run's log. Raises InputError if none is of that split."""
        found = [row for row in rows if row["split"] == split]
        if not found:
            raise InputError(f"{run.files.log} has no {split} row yet. Train for at least one batch")
        per_epoch = sum(row["epoch"] == found[0]["epoch"] for row in found)
        window = window_for(per_epoch * run.config.epochs)
        losses = np.array([row["loss"] for row in found], float)
        steps = np.array([row["step"] for row in found], float)
        examples = max(row["examples"] for row in found)
        return cls(steps, losses, smoothed(losses, window), window, per_epoch, examples)


@dataclass(frozen=True)
class Frame:
    """Limits of the axes that several curves share."""

    right: float
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Frame:
        """Return axes in which the start and the end of every curve can be read.

        A start far above all later losses is cut, and the figure reports that. A loss that falls more than twentyfold
        is drawn on a logarithmic axis.
        """
        right = max(float(curve.steps[-1]) for curve in curves)
        low, high = _settled(curves)
        start = max(float(curve.line.max()) for curve in curves)
        lowest = min(float(curve.line.min()) for curve in curves)
        if lowest > 0 and high / lowest > _LOG_RATIO:
            return cls(right, lowest / 1.5, start * 1.2, logarithmic=True)
        room = max(high - low, 0.02 * abs(high), 1e-6)
        points = np.concatenate([curve.losses for curve in curves])
        for top, share in ((start, 2.0), (float(points.max()), 0.6)):
            high = max(high, top) if top <= high + share * room else high
        low = max(float(points.min()), low - 0.2 * room)
        return cls(right, low - 0.04 * room, high + 0.06 * room, logarithmic=False)


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Return the rows of a run's log. Raises InputError if it is damaged."""
    if run.done:
        run.require_whole("log")
    return log.read(run.files.log)[1]


def window_for(batches: int) -> int:
    """Return the number of batches in a smoothed value: 2 % of the run, odd, at least 5."""
    return max(5, round(batches * 0.02) // 2 * 2 + 1)


def smoothed(losses: Floats, window: int) -> Floats:
    """Return the centred mean over `window` batches.

    Near an end it is the straight line fitted to the window at that end. (Savitzky and Golay 1964, order 1: a line
    stays a line up to its ends, unlike with a shortened or padded mean.)
    """
    from scipy.signal import savgol_filter

    fitting = min(window, len(losses) - 1 + len(losses) % 2)
    return losses if fitting < 3 else np.asarray(savgol_filter(losses, fitting, 1, mode="interp"))


def _settled(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the lowest and highest value of lines and of nearly all points, without the first batches."""
    parts = []
    for curve in curves:
        first = int(len(curve.steps) * _SETTLED)
        parts += [curve.line[first:], np.percentile(curve.losses[first:], 0.5, method="lower")]
        parts += [np.percentile(curve.losses[first:], 99.5, method="higher")]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def each_of(counts: Iterable[int]) -> str:
    """Return the different numbers among counts: `44` or `44 or 88`."""
    return " or ".join(f"{count:,}" for count in sorted(set(counts)))
