"""Metrics that are not means: pseudo-values per example, whose mean is the metric.

`crossed` then treats them as scores. They are oriented by the caller, as scores are: an error is negated.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np

from .grouping import codes_of

FEWEST_BLOCKS = 50
_BLOCKS = 100

Metric = Callable[[np.ndarray], float]


def rmse_values(errors2: np.ndarray) -> np.ndarray:
    """Return `R + (e - M)/(2R)` from squared errors e: (k, n) -> (k, n), with M their mean and R = sqrt(M).

    A run without any error has 0 on every example.
    """
    squares, mean = _squares(errors2)
    root = np.sqrt(mean)
    return root + np.divide(squares - mean, 2 * root, out=np.zeros_like(squares), where=root > 0)


def log_mse_values(errors2: np.ndarray) -> np.ndarray:
    """Return `log M + (e - M)/M` from squared errors e: (k, n) -> (k, n), with M their mean.

    Raises ValueError for a run without any error, whose logarithm is infinite.
    """
    squares, mean = _squares(errors2)
    if not (mean > 0).all():
        raise ValueError("a run has no error on any example, and log MSE is infinite")
    return np.log(mean) + (squares - mean) / mean


def blocks_of(units: int | Iterable[Hashable] | np.ndarray, most: int = _BLOCKS) -> np.ndarray:
    """Return the block of each example for `jackknife_values`: (n,) int from 0.

    `units` are n, or the groups of n examples. Groups are never divided. Up to `most` units are a block each; more
    are dealt to `most` blocks in turn, such that examples sorted by class leave no class out.
    """
    if isinstance(units, int):
        return np.arange(units) % most
    groups = list(units)
    return codes_of(groups, len(groups)) % most


def jackknife_values(metric: Metric, blocks: np.ndarray) -> np.ndarray:
    """Return pseudo-values of one run, (n,), for any metric of a set of examples.

    `metric(indices)` is the metric of those examples. Each block of examples is left out once:
    `z_b = metric + (B/n) (n - n_b) (metric - metric without b)`, centred. All examples of a block have one value,
    weighted such that the mean over examples is the metric. Give the blocks as groups to `crossed`.

    Raises ValueError for fewer than two blocks and for a metric that is not finite without a block.
    """
    codes = codes_of(blocks, len(blocks))
    n, sizes = len(codes), np.bincount(codes)
    count = len(sizes)
    if count < 2:
        raise ValueError("all examples are in one group, and none can be left out")
    complete = metric(np.arange(n))
    without = np.array([metric(np.flatnonzero(codes != block)) for block in range(count)])
    if not np.isfinite([complete, *without]).all():
        raise ValueError("the metric is not finite on these examples, or not if some of them are left out")
    influence = count / n * (n - sizes) * (complete - without)
    values = complete + influence - influence.mean()
    return (values * n / (count * sizes))[codes]


def _squares(errors2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return squared errors (k, n) and their means (k, 1) as float64. Raises ValueError for a negative one."""
    squares = np.asarray(errors2, dtype=np.float64)
    if (squares < 0).any():
        raise ValueError("a squared error is negative. Give squared errors")
    return squares, squares.mean(-1, keepdims=True)
