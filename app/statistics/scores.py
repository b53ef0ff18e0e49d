"""Scores of an arm: one per run and example, checked, and the runs' results."""

from __future__ import annotations

import numpy as np


def checked(scores: np.ndarray, arm: str) -> np.ndarray:
    """Return the scores (k, n) of an arm, of numbers or bool.

    Raises ValueError that names the arm for another shape, for no run or example, and for a score that is NaN or
    infinite (of a diverged run).
    """
    found = np.asarray(scores)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"the scores of arm {arm} have shape {found.shape}. Give (runs, examples), at least (1, 1)")
    if found.dtype.kind not in "buif":
        raise ValueError(f"the scores of arm {arm} are of type {found.dtype}. Give numbers")
    finite = np.isfinite(found).all(1)
    if not finite.all():
        run = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"run {run} of arm {arm} has a score that is NaN or infinite. Omit this diverged run")
    return found


def checked_results(results: np.ndarray, arm: str) -> np.ndarray:
    """Return the results (k,) of an arm's runs. Raises ValueError as `checked` does."""
    found = np.asarray(results)
    if found.ndim != 1:
        raise ValueError(f"the results of arm {arm} have shape {found.shape}. Give one number per run")
    return checked(found[:, None], arm)[:, 0].astype(np.float64)


def results_agree(scores: np.ndarray) -> np.ndarray:
    """Return whether all runs have the same result: (..., k, n) -> (...) bool.

    Sums of counts are compared, which are exact. Scores that are not integers agree only if they are equal on every
    example. A variance in floating point is never compared with 0: three equal runs can have one of 4.6e-33.
    """
    if scores.dtype.kind in "bui" or np.equal(np.rint(scores), scores).all():
        sums = scores.sum(-1)
        return (sums == sums[..., :1]).all(-1)
    return (scores == scores[..., :1, :]).all((-1, -2))


def are_identical(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether both arms have the same runs: equal on every example, in any order of the seeds.

    Arms with different numbers of runs are identical if all runs are equal.
    """
    rows_a, rows_b = ([(row.astype(np.float64) + 0.0).tobytes() for row in arm] for arm in (a, b))  # -0.0 is 0.0
    return sorted(rows_a) == sorted(rows_b) or len({*rows_a, *rows_b}) == 1
