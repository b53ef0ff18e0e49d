"""Carving held-out rows from a split: stratified by class, whole groups where rows belong to groups, keyed by a seed."""

from __future__ import annotations

import numpy as np

from app import draws


def held_out(labels: np.ndarray, groups: np.ndarray | None, *, fraction: float, stream: int) -> np.ndarray:
    """Which rows are held out: bool (rows,). The same rows are chosen on every machine and library version."""
    if groups is None:
        return _by_row(labels, fraction=fraction, stream=stream)
    return _by_group(labels, groups, fraction=fraction, stream=stream)


def _by_row(labels: np.ndarray, *, fraction: float, stream: int) -> np.ndarray:
    """Each class's share of round(n fraction) rows, by largest remainders; one row of every class stays."""
    order = draws.permutation(stream, len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    share = counts * fraction
    take = np.floor(share).astype(np.int64)
    missing = round(len(labels) * fraction) - take.sum()
    by_remainder = sorted(
        range(len(classes)), key=lambda c: (take[c] - share[c], np.argmax(labels[order] == classes[c]))
    )
    take[by_remainder[:missing]] += 1
    chosen = np.zeros(len(labels), bool)
    for label, wanted, count in zip(classes, take, counts, strict=True):
        members = order[labels[order] == label]
        chosen[members[: min(wanted, count - 1)]] = True
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
