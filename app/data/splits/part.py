"""A fixed part of some rows with all classes in turn, so that a smaller part is contained in a larger one."""

from __future__ import annotations

import numpy as np

from ... import draws


def in_turn(rows: np.ndarray, labels: np.ndarray, count: int, *, stream: int) -> np.ndarray:
    """Return the places of `count` rows, ascending: int64 (n,), (n,) -> int64 (count,).

    Rows are ordered by a hash of their number within each class, and taken from all classes in turn. Two sets with the
    same rows and labels have the same part.
    """
    hashes = draws.words(stream, rows.astype(np.int64))
    order = np.lexsort((hashes, labels))
    starts = np.searchsorted(labels[order], labels[order])
    turns = np.arange(len(order)) - starts  # of each row within its class
    taken = np.lexsort((hashes[order], turns))[:count]
    return np.sort(order[taken])
