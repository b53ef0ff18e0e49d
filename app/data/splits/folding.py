"""The folds of a k-fold cross-validation: the fold of each labelled row of train.

The partition depends only on the rows, the split seed and the repeat. Without groups, rows are dealt to the folds class
by class. Groups stay complete, and the largest are placed first, as in scikit-learn's StratifiedGroupKFold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import draws
from ...config.settings import Data
from ...errors import InputError

_FOLDS = 3  # the purpose of a draw; 0, 1 and 2 are those of `holdout`
_SHARES = 1 << 30  # a class's rows are counted in parts of this, so that sums are exact
_LISTED = 10  # the most folds, and classes, whose counts are written out


def of_rows(config: Data, labels: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the fold of each row of train, int64 (rows,), from labels int64 (rows,) and groups (rows,).

    The labels of a regression all belong to one stratum. Without groups, the counts of a class in two folds differ by
    at most 1, and so do the rows of two folds. Raises InputError for more folds than groups, or than rows of the rarest
    class.
    """
    assert config.folds, "there are folds"
    stream = draws.key(draws.CARVE, config.split_seed, _FOLDS, config.repeat)
    strata = np.unique(labels, return_inverse=True)[1]
    _require_rows(config, np.bincount(strata))
    if groups is None:
        return _dealt(strata, config.folds, stream)
    numbers = np.unique(groups, return_inverse=True)[1]
    _require_groups(config, int(numbers.max()) + 1)
    return _placed(strata, numbers, config.folds, stream)[numbers]


def counted(config: Data, rows: int) -> int:
    """Return the number of rows of the config's fold out of `rows`. Groups may change it by a few."""
    assert config.folds and config.fold is not None, "there are folds"
    return len(range(config.fold, rows, config.folds))


def notes(
    config: Data, names: Sequence[str] = (), labels: np.ndarray | None = None, groups: np.ndarray | None = None
) -> tuple[str, ...]:
    """Return the notes on the folds for readers, with the rows in each fold if groups make them uneven."""
    if not config.folds:
        return ()
    rule = "the folds divide the labelled rows of train. If the source has a test split, it is not used"
    if labels is None or groups is None:
        return (rule,)
    folds, shown = of_rows(config, labels, groups), [*names] if config.task == "classification" else [""]
    counts = [np.bincount(folds[labels == number], minlength=config.folds) for number in range(len(shown))]
    uneven = [(name, count) for name, count in zip(shown, counts, strict=True) if np.ptp(count) > 1]
    if not uneven:
        return (rule,)
    told = "; ".join(f"{name} {_told(count)}".strip() for name, count in uneven[:_LISTED])
    more = f" and {len(uneven) - _LISTED:,} more" if len(uneven) > _LISTED else ""
    what = "classes" if config.task == "classification" else "rows"
    return (rule, f"groups are kept together, so the {what} are uneven over the {config.folds} folds: {told}{more}")


def _told(counts: np.ndarray) -> str:
    if len(counts) <= _LISTED:
        return ", ".join(f"{count:,}" for count in counts)
    return f"{counts.min():,} to {counts.max():,}"


def _require_rows(config: Data, counts: np.ndarray) -> None:
    """Raise InputError for more folds than rows of a class, or of train."""
    least = int(counts.min())
    if least >= (config.folds or 0):
        return
    what = "rows of the rarest class" if config.task == "classification" else "rows"
    allowed = f"Use at most {least:,} folds, or add rows" if least > 1 else "Add rows, or omit --folds"
    raise InputError(f"folds={config.folds} is more than the {least:,} {what} in train. {allowed}")


def _require_groups(config: Data, count: int) -> None:
    """Raise InputError for more folds than groups, and for a repeat that cannot differ from the first."""
    if count < (config.folds or 0):
        allowed = f"Use at most {count:,} folds" if count > 1 else "Add groups, or omit --folds"
        raise InputError(f"folds={config.folds} is more than the {count:,} groups in train. {allowed}")
    if count == config.folds and config.repeat:
        raise InputError(
            f"repeat={config.repeat} has the folds of repeat=0, since train has {count:,} groups in {count:,} folds. "
            "Use repeat=0, or fewer folds"
        )


def _dealt(strata: np.ndarray, folds: int, stream: int) -> np.ndarray:
    """Return the fold of each row: each class's rows are dealt in turn, in drawn order, one class after the other."""
    order = draws.permutation(stream, len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    found = np.empty(len(strata), np.int64)
    found[order] = np.arange(len(strata)) % folds
    return found


def _placed(strata: np.ndarray, groups: np.ndarray, folds: int, stream: int) -> np.ndarray:
    """Return the fold of each group, int64 (groups,). Groups and strata are numbered from 0 without a gap.

    Each group is placed in the fold where its classes are rarest so far, each in shares of its total, then in the fold
    with the fewest rows. Groups are placed in drawn order, those with at least twice as many rows first.
    """
    counts = np.zeros((groups.max() + 1, strata.max() + 1), np.int64)
    np.add.at(counts, (groups, strata), 1)  # rows of each group and class
    weights, sizes = _SHARES // counts.sum(0), counts.sum(1)
    drawn = draws.permutation(stream, len(counts))
    scale = np.array([int(size).bit_length() for size in sizes])
    there = np.zeros((folds, counts.shape[1]), np.int64)  # rows of each fold and class
    found = np.empty(len(counts), np.int64)
    for group in drawn[np.argsort(-scale[drawn], kind="stable")]:
        crowded = (there * (counts[group] * weights)).sum(1)
        fold = np.lexsort((there.sum(1), crowded))[0]
        there[fold] += counts[group]
        found[group] = fold
    return found
