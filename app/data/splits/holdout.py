"""The rows of train, validation and test: the one place that decides what is held out.

Rows are chosen by class, or as complete groups if there are groups, keyed by the split seed. The choice depends only on
the dataset and the options, not on memory, disk or device.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from ... import draws
from ...config.settings import Data
from ...errors import InputError
from ...tables.datasets import UNKNOWN_TEST_FRACTION, DatasetRow
from ..store.cache import Cached
from . import folding

_TEST, _VAL, _LIMIT = range(3)
PUBLISHED = ("test", "validation", "valid", "val", "dev")  # splits that may serve as test, the better one first


class Members(NamedTuple):
    """Positions of train, validation and test rows, int64 (n,) each, and the sources of validation and test."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    val_from: str = "train"  # or val: the source's validation split
    test_from: str = "train"  # or test


def takes_test_from_train(fields: Mapping[str, Any], row: DatasetRow | None) -> bool:
    """Return whether test is held out from train even if the source has a test split.

    Either the request or the dataset's row asks for it.
    """
    if fields.get("test_split"):
        return False
    return bool(fields.get("folds") or fields.get("test_fraction") or (row and row.test_fraction))


def published(
    there: Collection[str], *, carve_test: bool, val: str | None = None, test: str | None = None
) -> dict[str, str]:
    """Return the source's names of train, and of validation and test if they are used.

    `val` and `test` are the names that a command gives. A single split is train. Without a test split, a validation
    split that the command does not use is the test set. Raise InputError if nothing is left for training.
    """
    asked = {ours: theirs for ours, theirs in (("val", val), ("test", test)) if theirs}
    rest = [name for name in there if name not in asked.values()]
    if not rest or ("train" not in rest and asked):
        raise InputError(
            f"--val-split and --test-split leave no split for training. The splits are {', '.join(there)}. Omit one of "
            "the two options"
        )
    used = {"train": "train" if "train" in rest else rest[0]}
    labelled = [name for name in PUBLISHED if name in rest and name != used["train"]]
    return used | asked | ({"test": labelled[0]} if labelled and not carve_test and not test else {})


def members_of(config: Data, cached: Cached) -> Members:
    """Return the members of a config's splits in a cached dataset.

    Raises InputError for groups that train shares with test or validation.
    """
    rows, groups = cached.manifest.rows, cached.array("train", "groups") if cached.ask.grouped else None
    if config.group_column:  # lists of files decide by themselves what they share
        assert groups is not None
        instead = {"test": "hold out a test set of other groups with --test-fraction 0.2", "val": "omit --val-split"}
        for split in instead.keys() & rows.keys():
            if shared := len(np.intersect1d(groups, cached.array(split, "groups"))):
                groups_are = "1 group is" if shared == 1 else f"{shared:,} groups are"
                raise InputError(f"{groups_are} in both train and {split}. To fix it, {instead[split]}")
    labels = strata(config, cached.array("train", "labels"))
    return members(config, labels=labels, groups=groups, test_rows=rows.get("test"), val_rows=rows.get("val"))


def strata(config: Data, labels: np.ndarray) -> np.ndarray:
    """Return the strata that rows are held out from in equal shares.

    They are the classes; a regression has one stratum.
    """
    return labels if config.task == "classification" else np.zeros(len(labels), np.int64)


def counted(
    config: Data, rows: int | None, test_rows: int | None, *, own_test: bool, val_rows: int | None = None,
    own_val: bool = False,
) -> tuple[int | None, int | None, int | None]:  # fmt: skip
    """Return the number of rows that train, validation and test will have, before any is read.

    Groups may change them by a few. None means that the number is known only after reading.
    """
    limits = (config.limit_train, config.limit_val, config.limit_test)
    test = test_rows if own_test else None if rows is None else _counted_test(config, rows)
    train = rows if own_test or rows is None or test is None else rows - test
    val = val_rows if own_val else None if train is None else round(train * config.val_fraction)
    train = train if own_val or train is None or val is None else train - val
    found = [_fewer(count, limit) for count, limit in zip((train, val, test), limits, strict=True)]
    return found[0], found[1], found[2]


def _counted_test(config: Data, rows: int) -> int:
    return folding.counted(config, rows) if config.folds else round(rows * _test_fraction(config))


def _fewer(rows: int | None, limit: int | None) -> int | None:
    return rows if limit is None or rows is None else min(rows, limit)


def _test_fraction(config: Data) -> float:
    return config.test_fraction or UNKNOWN_TEST_FRACTION


def members(
    config: Data,
    *,
    labels: np.ndarray,
    groups: np.ndarray | None,
    test_rows: int | None,
    val_rows: int | None = None,
) -> Members:
    """Return the members of each split, from the source's train labels (and groups).

    Members of test are in the source's test split, of `test_rows`, if it has one. Otherwise they are held out from
    train. The same is true of validation. With folds, test is one fold of train. Raises InputError if nothing would be
    left for one of them.
    """

    def cut(rows: np.ndarray, fraction: float, purpose: int) -> tuple[np.ndarray, np.ndarray]:
        stream = draws.key(draws.CARVE, config.split_seed, purpose)
        out = held_out(labels[rows], None if groups is None else groups[rows], fraction=fraction, stream=stream)
        if not out.any() or out.all():
            raise _too_few(len(rows), None if groups is None else groups[rows], fraction, purpose)
        return rows[~out], rows[out]

    train = np.arange(len(labels))
    if config.folds:
        assert test_rows is None, "with folds, the source's own test split is not read"
        tested = folding.of_rows(config, labels, groups) == config.fold
        train, test = train[~tested], train[tested]
    elif test_rows is not None:
        test = np.arange(test_rows)
    else:
        train, test = cut(train, _test_fraction(config), _TEST)
    if val_rows is not None:
        val = np.arange(val_rows)
    else:
        train, val = cut(train, config.val_fraction, _VAL)
    stream = draws.key(draws.CARVE, config.split_seed, _LIMIT)
    limits = ((train, config.limit_train), (val, config.limit_val), (test, config.limit_test))
    train, val, test = (limited(rows, limit, stream=stream) for rows, limit in limits)
    own_val, own_test = ("train" if rows is None else name for rows, name in ((val_rows, "val"), (test_rows, "test")))
    return Members(train, val, test, own_val, own_test)


def _too_few(rows: int, groups: np.ndarray | None, fraction: float, purpose: int) -> InputError:
    """Return the error for a number of rows that is too small to hold out a share."""
    within = "" if groups is None else f" in {len(np.unique(groups)):,} groups"
    option = "--test-fraction" if purpose == _TEST else "--val-fraction"
    return InputError(
        f"{rows:,} labelled rows{within} are too few to hold out a share of {fraction:g}. Add rows, or give {option} "
        "another share"
    )


def held_out(labels: np.ndarray, groups: np.ndarray | None, *, fraction: float, stream: int) -> np.ndarray:
    """Return which rows are held out: bool (rows,). The choice is the same on every machine and library version."""
    if groups is None:
        return _by_row(labels, fraction=fraction, stream=stream)
    return _by_group(labels, np.unique(groups, return_inverse=True)[1], fraction=fraction, stream=stream)


def _by_row(labels: np.ndarray, *, fraction: float, stream: int) -> np.ndarray:
    """Choose each class's share of round(n fraction) rows, by largest remainders. One row of every class stays."""
    order = draws.permutation(stream, len(labels))
    drawn = labels[order]
    classes, first, counts = np.unique(drawn, return_index=True, return_counts=True)
    share = counts * fraction
    take = np.floor(share).astype(np.int64)
    missing = round(len(labels) * fraction) - take.sum()
    take[np.lexsort((first, take - share))[:missing]] += 1  # of equal remainders, the class drawn first
    chosen = np.zeros(len(labels), bool)
    for label, wanted, count in zip(classes, take, counts, strict=True):
        chosen[order[drawn == label][: min(wanted, count - 1)]] = True
    return chosen


def _by_group(labels: np.ndarray, groups: np.ndarray, *, fraction: float, stream: int) -> np.ndarray:
    """Choose complete groups in drawn order, each if it brings the classes' counts closer to their shares."""
    counts = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(counts, (groups, labels), 1)  # rows of each group and class
    missing = counts.sum(0) * fraction
    taken = np.zeros(len(counts), bool)
    for group in draws.permutation(stream, len(counts)):
        if np.square(missing - counts[group]).sum() < np.square(missing).sum():
            missing = missing - counts[group]
            taken[group] = True
    return taken[groups]


def limited(rows: np.ndarray, limit: int | None, *, stream: int) -> np.ndarray:
    """Return at most `limit` of the rows, drawn at random, in their old order."""
    if limit is None or limit >= len(rows):
        return rows
    return rows[np.sort(draws.permutation(stream, len(rows))[:limit])]
