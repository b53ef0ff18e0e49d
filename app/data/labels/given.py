"""The labels that a run is trained on under `--label-noise`: drawn by a rule or read from a file, row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ... import draws
from ...config.run import RunConfig
from ...errors import InputError
from ...system.printable import printable
from ...tables import label_noise
from ..store.cache import Cached
from . import filed

_WHETHER, _WHICH = range(2)  # parts of a draw's key


class Stored(NamedTuple):
    """Given labels that a run stored: published rows and class numbers, int64 (n,) each."""

    rows: np.ndarray
    labels: np.ndarray


def of(config: RunConfig, cached: Cached, stored: Stored | None = None) -> np.ndarray | None:
    """Return the given label of each row of the source's train split, int64 (rows,), or None without label noise.

    `stored` are those of a run, which are used if the cache lacks the run's file of labels. Raises InputError for a
    file that does not fit the dataset.
    """
    rule = label_noise.parsed(config.label_noise)
    if rule is None:
        return None
    labels, rows = cached.array("train", "labels"), cached.array("train", "rows")
    names = cached.manifest.class_names
    if rule.rule != label_noise.FILE:
        return drawn(rule, labels, rows, names, seed=config.split_seed)
    if stored and not filed.is_kept(rule.digest):
        found = labels.copy()
        found[np.isin(rows, stored.rows)] = _in_order(stored, rows)
        return found
    published = max(int(rows.max()) + 1, len(rows) + cached.manifest.unlabelled.get("train", 0))
    return fitted(filed.of_digest(rule.digest), rows, names, published=published)


def _in_order(stored: Stored, rows: np.ndarray) -> np.ndarray:
    """Return stored labels in the order of the rows that have some."""
    order = np.argsort(stored.rows, kind="stable")
    there = rows[np.isin(rows, stored.rows)]
    return stored.labels[order][np.searchsorted(stored.rows, there, sorter=order)]


def drawn(
    rule: label_noise.LabelNoise, labels: np.ndarray, rows: np.ndarray, names: Sequence[str], *, seed: int
) -> np.ndarray:
    """Return labels of which each is wrong with the rule's rate, keyed by (seed, published row): int64 (n,).

    Symmetric: another class, all equally likely, never the class itself (arXiv:1804.06872). Asymmetric: the class that
    `label_noise.next_classes` names. The wrong labels of a smaller rate are among those of a larger one.
    """
    wrong = draws.uniform(draws.key(draws.LABELS, seed, _WHETHER), rows) < rule.rate
    if rule.rule == label_noise.ASYMMETRIC:
        return np.where(wrong, np.array(label_noise.next_classes(names))[labels], labels)
    away = 1 + draws.integers(draws.key(draws.LABELS, seed, _WHICH), rows, len(names) - 1)
    return np.where(wrong, (labels + away) % len(names), labels)


def fitted(found: filed.Labels, rows: np.ndarray, names: Sequence[str], *, published: int) -> np.ndarray:
    """Return the labels of a file for rows of the `published` ones, as class numbers int64 (n,).

    Raises InputError for a file that does not fit.
    """
    given, theirs = _numbers(found.labels, names, named=found.rows is not None), found.rows
    if theirs is None:
        theirs = np.arange(len(given))
    if len(np.unique(theirs)) < len(theirs):
        raise InputError("the file of --label-noise has a row twice. Give one label per row")
    if len(missing := np.setdiff1d(rows, theirs)):
        raise InputError(
            f"the file of --label-noise has {len(theirs):,} labels, and {len(missing):,} of {len(rows):,} training "
            f"rows have none, first row {missing[0]}. Give the labels of this dataset"
        )
    if len(strange := np.setdiff1d(theirs, np.arange(published))):
        raise InputError(
            f"the file of --label-noise has a label for row {strange[0]}, and the training rows are 0 to "
            f"{published - 1}. Give the labels of this dataset"
        )
    return _in_order(Stored(theirs, given), rows)


def _numbers(labels: np.ndarray, names: Sequence[str], *, named: bool) -> np.ndarray:
    """Return class numbers or class names as class numbers. Raises InputError for a class that does not exist.

    If all classes have numbers as names, and not their places, numbers are names where a file has names (`named`).
    """
    if labels.dtype.kind not in "iu":
        return _by_name(labels.tolist(), names)
    if _are_other_numbers(names):
        if not named:
            raise InputError(
                f"the classes have numbers as names ({', '.join(map(printable, names[:3]))}, ...), which the class "
                "numbers of an .npy file may not mean. Give a .csv or .parquet file, whose labels are read as names"
            )
        return _by_name([str(label) for label in labels.tolist()], [str(int(name)) for name in names])
    if len(strange := labels[(labels < 0) | (labels >= len(names))]):
        raise InputError(
            f"the file of --label-noise has the class {strange[0]}, and the dataset has the classes 0 to "
            f"{len(names) - 1}. Give the labels of this dataset"
        )
    return labels.astype(np.int64)


def _by_name(labels: Sequence[str | None], names: Sequence[str]) -> np.ndarray:
    """Return the class numbers of class names: int64 (n,). Raises InputError for a name that no class has."""
    at: dict[str | None, int] = {name: number for number, name in enumerate(names)}
    for place, label in enumerate(labels):
        if label not in at:
            what = f"the class {printable(label)}, which the dataset lacks" if label else "no class"
            raise InputError(
                f"label {place + 1:,} of the file of --label-noise has {what}. Its classes: "
                f"{', '.join(map(printable, names[:10]))}"
            )
    return np.array([at[label] for label in labels], np.int64)


def _are_other_numbers(names: Sequence[str]) -> bool:
    """Return whether all names are whole numbers, each once, and are not the places of the classes from 0."""
    if not all(name.isascii() and name.isdecimal() for name in names):
        return False
    return len({int(name) for name in names}) == len(names) and any(int(n) != at for at, n in enumerate(names))


def digest(*labels: np.ndarray) -> str:
    """Return 16 hex digits that depend on all labels of some splits, in their order."""
    found = hashlib.sha256()
    for each in labels:
        found.update(each.astype("<i8").tobytes())
    return found.hexdigest()[:16]
