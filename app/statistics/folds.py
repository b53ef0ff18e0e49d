"""Repeated grouped k-fold cross-validation: each example predicted once per repeat, with the same folds for both arms.

The training sets overlap, so that neither folds nor repeats are independent.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from .crossed import Estimate
from .grouping import codes_of, group_sums
from .scores import are_identical, checked, results_agree
from .verdict import Verdict, verdict


@dataclass(frozen=True, kw_only=True)
class Folded:
    """One difference with two standard errors. The words better and worse need both."""

    estimate: Estimate  # over groups and repeats
    nadeau_bengio: Estimate  # over folds


def folded(
    a: np.ndarray,
    b: np.ndarray,
    fold_of: np.ndarray,
    *,
    groups: Iterable[Hashable] | np.ndarray | None = None,
    n_train: float | None = None,
) -> Folded:
    """Return the difference of two arms over R repeats: scores (R, n) of each, and the fold of each example (R, n).

    With d the differences, D_r the mean of repeat r and d_g the sum of `mean_r d - D` over group g:
    `SE^2 = G/(G-1) sum_g d_g^2 / n^2 + var_r D_r`, df = G - 1. One repeat has no standard error. Next to it, over the
    J differences of single folds: `SE^2 = var_f (1/J + n_test/n_train)`, df = J - 1 (Nadeau and Bengio 2003,
    doi:10.1023/A:1024068626366). `n_train` is the mean number of training examples. Default: all that a fold leaves.

    Raises ValueError for scores that are not finite and shapes that differ.
    """
    a, b, folds = checked(a, "A"), checked(b, "B"), np.asarray(fold_of)
    if not a.shape == b.shape == folds.shape:
        raise ValueError(f"scores of {a.shape} and {b.shape} and folds of {folds.shape} differ in shape")
    n = a.shape[1]
    codes = np.arange(n) if groups is None else codes_of(groups, n)
    d = a.astype(np.float64) - b
    over_groups = _over_groups(d, codes)
    over_folds = _over_folds(d, folds, n_train)
    return Folded(
        estimate=_estimate(a, b, over_groups, groups=int(codes.max()) + 1),
        nadeau_bengio=_estimate(a, b, over_folds, groups=int(codes.max()) + 1),
    )


def folded_verdict(found: Folded, *, delta: float | None, level: float = 0.95) -> Verdict:
    """Return the word and interval of the rule over groups, `undecided` if Nadeau and Bengio's has another word."""
    first, second = (verdict(each, delta=delta, level=level) for each in (found.estimate, found.nadeau_bengio))
    if first.word == second.word:
        by_both = first.at_least_delta and second.at_least_delta
        return replace(first, at_least_delta=by_both)
    return replace(first, word="undecided", at_least_delta=False, real_but_small=False)


def _over_groups(d: np.ndarray, codes: np.ndarray) -> tuple[float, float, float]:
    """Return SE^2, df and the groups' part of SE^2; NaN for one repeat or one group."""
    repeats, n = d.shape
    mean = d.mean(0)
    sums = group_sums(mean - mean.mean(), codes)
    count = len(sums)
    if repeats < 2 or count < 2:
        return math.nan, math.nan, math.nan
    part = count / (count - 1) * float(sums @ sums) / n**2
    between = 0.0 if results_agree(d) else float(d.mean(1).var(ddof=1))
    return part + between, count - 1, part


def _over_folds(d: np.ndarray, folds: np.ndarray, n_train: float | None) -> tuple[float, float, float]:
    """Return SE^2 and df by the differences of single folds; NaN for one fold."""
    differences, sizes = [], []
    for row, labels in zip(d, folds, strict=True):
        for fold in np.unique(labels):
            differences.append(float(row[labels == fold].mean()))
            sizes.append(int((labels == fold).sum()))
    count, n_test = len(differences), float(np.mean(sizes))
    if count < 2 or n_test == d.shape[1]:
        return math.nan, math.nan, math.nan
    spread = 0.0 if min(differences) == max(differences) else float(np.var(differences, ddof=1))
    return spread * (1 / count + n_test / (n_train or d.shape[1] - n_test)), count - 1, math.nan


def _estimate(a: np.ndarray, b: np.ndarray, variance: tuple[float, float, float], groups: int) -> Estimate:
    square, df, part = variance
    known, repeats = square > 0 and len(a) > 1, len(a)
    sds = [float(arm.mean(1).std(ddof=1)) if repeats > 1 else math.nan for arm in (a, b)]
    means = float(a.mean()), float(b.mean())
    return Estimate(
        difference=means[0] - means[1], se=math.sqrt(square) if known else None, df=df if known else None,
        examples=a.shape[1], groups=groups, seeds=(repeats, repeats), means=means, sds=(sds[0], sds[1]),
        examples_part=part, identical=are_identical(a, b),
    )  # fmt: skip
