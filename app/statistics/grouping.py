"""Groups of examples that are alike: images of a patient, frames of a simulation, copies of one image."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np


def codes_of(groups: Iterable[Hashable] | np.ndarray, n: int) -> np.ndarray:
    """Return the group of each example as 0, 1, 2, ... in the order in which the groups appear: (n,) int.

    Raises ValueError unless there is one group per example.
    """
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.intp)
    if len(codes) != n:
        raise ValueError(f"{len(codes)} groups are given for {n} examples. Give one group per example")
    return codes


def group_sums(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the sums of the scores of each group: (..., n) -> (..., G)."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    return np.add.reduceat(np.asarray(scores, dtype=np.float64)[..., order], starts, axis=-1)


def grouped(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return z = G/n times the sums of each group, which have the mean of the scores: (..., n) -> (..., G)."""
    sums = group_sums(scores, codes)
    return sums * (sums.shape[-1] / len(codes))
