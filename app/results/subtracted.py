"""Whether subtracting two maps raises the share on the image: D - A1 among distractors, and its slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..artifacts.attention_rows import CANVAS, PATCHED
from . import attended
from .attended import Interval, Parts
from .attention_units import NONE, Units


@dataclass(frozen=True, kw_only=True)
class Subtracted:
    """The share of D minus that of A1 for one architecture, means over layers, with 95 % intervals.

    Intervals cover new seeds and new images, or new images for one run. They are None where nothing varies.
    """

    arm: str
    run_ids: tuple[str, ...]
    kind: str  # canvas | patched
    distractors: int  # the largest number that all runs have
    n: int  # test images
    difference: float  # with this number of distractors
    interval: Interval | None
    slope: float | None  # of the difference over 1 to `distractors`, per distractor; None: one number of them
    slope_interval: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        return {
            "arm": self.arm, "run_ids": [*self.run_ids], "inputs": f"{self.kind}{self.distractors}", "n": self.n,
            "difference": self.difference, "interval": self.interval and [*self.interval],
            "slope": self.slope, "slope_interval": self.slope_interval and [*self.slope_interval],
        }  # fmt: skip


def subtracted(
    arm: str, run_ids: Sequence[str], runs: Sequence[Parts], units: Units = NONE
) -> list[Subtracted]:  # fmt: skip
    """Return the differences of an architecture for canvases and for images with patches, as far as they are measured.

    It is empty for an architecture that does not subtract, and for runs without a common test row. Without
    distractors, D and A1 have a share of 1 each, so slopes begin at one distractor.
    """
    found = []
    for kind in (CANVAS, PATCHED):
        counts = sorted(set.intersection(*(set(attended.counts(each, kind)) for each in runs)) - {0})
        names = [f"{kind}{count}" for count in counts]
        if not names or any(attended.over_layers(each, "share_first", names[-1]) is None for each in runs):
            continue
        if len(rows := attended.common(runs, names)):
            found.append(_of_kind(arm, run_ids, runs, kind, counts, rows, units.codes(rows)))
    return found


def _of_kind(
    arm: str, run_ids: Sequence[str], runs: Sequence[Parts], kind: str, counts: Sequence[int],
    rows: np.ndarray, codes: np.ndarray | None,
) -> Subtracted:  # fmt: skip
    names = [f"{kind}{count}" for count in counts]
    gaps = np.stack([[_gap(each, name, rows) for name in names] for each in runs])  # (k, counts, n)
    difference, interval = _estimate(gaps[:, -1], 1.0, codes)
    slope = slope_interval = None
    if len(counts) > 1:
        weights = np.array(counts) - np.mean(counts)
        weights /= (weights**2).sum()
        slope, slope_interval = _estimate(np.einsum("c,kcn->kn", weights, gaps), float(np.abs(weights).sum()), codes)
    return Subtracted(
        arm=arm, run_ids=tuple(run_ids), kind=kind, distractors=counts[-1], n=len(rows), difference=difference,
        interval=interval, slope=slope, slope_interval=slope_interval,
    )  # fmt: skip


def _gap(parts: Parts, name: str, rows: np.ndarray) -> np.ndarray:
    """Return the share of D minus that of A1 for these rows, (n,)."""
    its = next(iter(attended.layers(parts, name).values())).rows
    one, other = (attended.over_layers(parts, of, name) for of in ("share", "share_first"))
    assert one is not None and other is not None, "the architecture subtracts"
    return np.asarray((one - other)[np.searchsorted(its, rows)])


def _estimate(values: np.ndarray, most: float, codes: np.ndarray | None) -> tuple[float, Interval | None]:
    """Return the mean of values (k, n) with its interval; D and A1 are of the same runs, so values are differences."""
    mean, interval, _ = attended.estimate(values, np.zeros_like(values), scale=most, codes=codes)
    return mean, attended.within(interval, most)
