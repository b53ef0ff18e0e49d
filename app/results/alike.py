"""Test examples that are not independent of each other: simulations, groups such as patients, and exact duplicates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from .. import data
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..data.store import cache
from ..errors import Explained
from ..statistics.grouping import codes_of

_MOST = 1 << 28  # bytes of inputs that are read to find duplicates


@dataclass(frozen=True, kw_only=True)
class Alike:
    """The group of each test example, None if every example has a separate one, and what a reader must know."""

    groups: np.ndarray | None  # (n,)
    kind: str = ""  # of the groups, for a reader
    duplicates: int = 0  # examples with the same input as an earlier one
    gap: str = ""  # why groups or duplicates were not looked for

    @property
    def about(self) -> str:
        """What the groups are, for a reader."""
        one = self.duplicates == 1
        copies = f"{self.duplicates:,} row{' has' if one else 's have'} the same input as an earlier one"
        return "; ".join(part for part in (self.kind and f"one per {self.kind}", self.duplicates and copies) if part)


@dataclass
class Search:
    """Finds the groups of runs' test examples; those of equal rows are found once."""

    _found: dict[bytes, Alike] = field(default_factory=dict)

    def of(self, run: Run, found: Predictions) -> Alike:
        """Return the groups of predictions that are in the order of their rows."""
        key = found.rows.tobytes() + (b"" if found.names is None else found.names.tobytes())
        if key not in self._found:
            self._found[key] = _alike(run, found)
        return self._found[key]

    @property
    def all(self) -> list[Alike]:
        """What was found for all sets of rows."""
        return [*self._found.values()]


def _alike(run: Run, found: Predictions) -> Alike:
    named = found.names if found.names is not None else found.groups
    kind = "simulation, by its `name`" if found.names is not None else "value of --group-column"
    try:
        cached = _cached(run)
    except Explained as error:
        return _without_inputs(run, named, kind, f"{error}")
    if cached is None:
        return _without_inputs(run, named, kind, "the data are not in the cache of this machine")
    split = run.record.data.test_from or "test"
    places = _places(cached, split, found.rows)
    if places is None:
        return _without_inputs(run, named, kind, "the cache of this machine has other rows")
    if named is None and f"{split}-groups.npy" in cached.manifest.files:
        named = cached.array(split, "groups")[places]  # of predictions that earlier versions stored
    try:
        copies = duplicates(cached, split, places)
    except OverflowError as error:
        return _without_inputs(run, named, kind, str(error))
    count = len(copies) - len(np.unique(copies))
    if not count:
        return Alike(groups=named, kind=kind if named is not None else "")
    groups = copies if named is None else joined(codes_of(named, len(copies)), copies)
    return Alike(groups=groups, kind=kind if named is not None else "", duplicates=count)


def _without_inputs(run: Run, named: np.ndarray | None, kind: str, why: str) -> Alike:
    """Return the stored groups, and what could not be looked for."""
    what = "exact duplicates"
    if named is None and run.config.group_column:
        what = f"groups of --group-column {run.config.group_column} and exact duplicates"
    gap = f"{what} among the test examples were not looked for: {why}"
    return Alike(groups=named, kind=kind if named is not None else "", gap=gap)


def _cached(run: Run) -> data.Cached | None:
    """Return the cache of a run's data, without reading its inputs, or None. Raises Explained if it has other data."""
    known = run.record.data
    ask = data.ask_of(
        run.config.to_json(), path=known.path, design=known.design or None, filelist=known.filelist or None
    )
    found = cache.find(ask, known.version)
    return found and found.require_digest(known.arrays_digest)


def _places(cached: data.Cached, split: str, rows: np.ndarray) -> np.ndarray | None:
    """Return the places of published rows in a cached split, or None if it lacks one of them."""
    if f"{split}-rows.npy" not in cached.manifest.files:
        return None
    there = cached.array(split, "rows")
    order = np.argsort(there, kind="stable")
    places = order[np.minimum(np.searchsorted(there, rows, sorter=order), len(there) - 1)]
    return places if np.array_equal(there[places], rows) else None


def duplicates(cached: data.Cached, split: str, places: np.ndarray) -> np.ndarray:
    """Return a number per example of a cached split, equal for examples with equal inputs: (n,) int.

    Images are compared by their stored sums and sums of squares first, and only those with equal sums are read. Raises
    OverflowError for more than 268 MB.
    """
    inputs = cached.images(split)
    suspects = np.arange(len(places))
    if f"{split}-moments.npy" in cached.manifest.files:
        moments = cached.array(split, "moments")[places].reshape(len(places), -1)
        _, kinds, counts = np.unique(moments, axis=0, return_inverse=True, return_counts=True)
        suspects = np.flatnonzero(counts[kinds.reshape(-1)] > 1)
    size = inputs[:1].nbytes * len(suspects)
    if size > _MOST:
        raise OverflowError(f"their inputs have {size / 1e6:,.0f} MB, and at most {_MOST / 1e6:,.0f} MB are read")
    codes, first = np.arange(len(places)), dict[bytes, int]()
    for each in suspects.tolist():
        digest = hashlib.blake2b(inputs[places[each]].tobytes(), digest_size=16).digest()
        codes[each] = first.setdefault(digest, each)
    return codes


def joined(groups: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Return groups such that examples of one group, and examples with equal inputs, have one number: (n,) int."""
    found = groups.copy()
    for copy in np.unique(copies[copies != np.arange(len(copies))]):
        alike = np.unique(found[copies == copy])
        found[np.isin(found, alike)] = alike[0]
    return found
