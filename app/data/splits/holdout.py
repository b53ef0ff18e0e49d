"""Which rows are train, validation and test: carved by class, whole groups where there are groups, keyed by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import draws
from ...config.run import RunConfig
from ...errors import InputError
from ...tables.datasets import UNKNOWN_TEST_FRACTION, DatasetRow

_TEST, _VAL, _LIMIT = range(3)


def members(
    config: RunConfig,
    *,
    labels: np.ndarray,
    groups: np.ndarray | None,
    test_rows: int | None,
    val_rows: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of train, validation and test rows, int64 each, from the source's train labels (and groups).

    Test's are in the source's test split where it has one, of `test_rows`, else they are carved from train; and so are
    validation's. Labels of a regression are numbers, and of one class here.
    Raises InputError where nothing would be left to one of them.
    """

    def cut(rows: np.ndarray, fraction: float, purpose: int) -> tuple[np.ndarray, np.ndarray]:
        stream = draws.key(draws.CARVE, config.split_seed, purpose)
        out = held_out(labels[rows], None if groups is None else groups[rows], fraction=fraction, stream=stream)
        if not out.any() or out.all():
            within = "" if groups is None else f" in {len(np.unique(groups[rows])):,} groups"
            raise InputError(f"{len(rows):,} labelled rows{within} are too few to hold out a share of {fraction:g}")
        return rows[~out], rows[out]

    if labels.dtype.kind == "f":
        labels = np.zeros(len(labels), np.int64)
    train = np.arange(len(labels))
    if test_rows is not None:
        test = np.arange(test_rows)
    else:
        train, test = cut(train, config.test_fraction or UNKNOWN_TEST_FRACTION, _TEST)
    if val_rows is not None:
        val = np.arange(val_rows)
    else:
        train, val = cut(train, config.val_fraction, _VAL)
    stream = limit_stream(config)
    return (
        limited(train, config.limit_train, stream=stream),
        limited(val, config.limit_val, stream=stream),
        limited(test, config.limit_test, stream=stream),
    )


def takes_test_from_train(fields: Mapping[str, Any], row: DatasetRow | None) -> bool:
    """Whether test is held out from train even where the source has a test split: as asked, or as the row says."""
    return bool(fields.get("test_fraction") or (row and row.test_fraction))


def limit_stream(config: RunConfig) -> int:
    """The stream of draws that `limited` cuts a config's splits by."""
    return draws.key(draws.CARVE, config.split_seed, _LIMIT)


def held_out(labels: np.ndarray, groups: np.ndarray | None, *, fraction: float, stream: int) -> np.ndarray:
    """Which rows are held out: bool (rows,). The same rows are chosen on every machine and library version."""
    if groups is None:
        return _by_row(labels, fraction=fraction, stream=stream)
    return _by_group(labels, np.unique(groups, return_inverse=True)[1], fraction=fraction, stream=stream)


def _by_row(labels: np.ndarray, *, fraction: float, stream: int) -> np.ndarray:
    """Each class's share of round(n fraction) rows, by largest remainders; one row of every class stays."""
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
    """Whole groups in drawn order, each taken when it brings the classes' counts nearer to their shares."""
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
    """At most `limit` of the rows, drawn, in their old order."""
    if limit is None or limit >= len(rows):
        return rows
    return rows[np.sort(draws.permutation(stream, len(rows))[:limit])]
