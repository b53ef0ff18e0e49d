"""CIFAR-N's labels by people (Wei et al. 2022, arXiv:2110.12088) as files for `--label-noise`.

The files `CIFAR-10_human.pt` and `CIFAR-100_human.pt` have the published labels and sets of other ones, in the order of
the training images (github.com/UCSC-REAL/cifar-10-100n, CC BY-NC 4.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import InputError
from ...system.durable import replacing
from ...system.printable import printable
from ..sources import tensors
from ..store.cache import Cached

CLEAN = "clean_label"
PUBLISHED = {  # sets of wrong labels, with the published share of those that differ from the clean ones, in %
    "aggre_label": 9.03, "random_label1": 17.23, "random_label2": 18.12, "random_label3": 17.64, "worse_label": 40.21,
    "noisy_label": 40.20,
}  # fmt: skip
ROWS = 50_000  # of the published sets


class Set(NamedTuple):
    """One set of labels that was written."""

    name: str
    path: Path
    rate: float  # the share of labels that differ from the dataset's
    n: int


def converted(file: Path, cached: Cached, out: Path, *, name: str) -> list[Set]:
    """Write each set of labels of a CIFAR-N file to `out` as `<name>_<set>.parquet`, with columns `row` and `label`.

    Raises InputError for another file, and unless its clean labels are those of the dataset's training rows in order.
    """
    held = tensors.arrays(file)
    if CLEAN not in held or not held.keys() & PUBLISHED.keys():
        names = ", ".join(map(printable, held))
        raise InputError(
            f"{printable(file.name)} is not a file of CIFAR-N: it has {names}, and {CLEAN} and one of "
            f"{', '.join(PUBLISHED)} are needed. Give CIFAR-10_human.pt or CIFAR-100_human.pt"
        )
    _require_same(file, held[CLEAN], cached)
    found = []
    for each in [each for each in PUBLISHED if each in held]:
        labels = held[each]
        if labels.shape != held[CLEAN].shape or labels.dtype.kind not in "iu":
            raise InputError(
                f"{printable(file.name)}: {each} has the shape {labels.shape} and the type {labels.dtype}, and one "
                "whole number per row is needed. Download the file again"
            )
        path = out / f"{name}_{each}.parquet"
        _write(path, labels.astype(np.int64))
        found.append(Set(each, path, float((labels != held[CLEAN]).mean()), len(labels)))
    return found


def _require_same(file: Path, clean: np.ndarray, cached: Cached) -> None:
    """Raise InputError unless the clean labels are those of the dataset's training rows in order."""
    labels, rows = cached.array("train", "labels"), cached.array("train", "rows")
    if clean.shape != (len(labels),) or not np.array_equal(rows, np.arange(len(labels))):
        raise InputError(
            f"{printable(file.name)} has labels for {clean.size:,} rows, and {cached.ask.dataset} has {len(labels):,} "
            "labelled training rows. Give --dataset cifar10 or --dataset cifar100"
        )
    if wrong := int((clean != labels).sum()):
        raise InputError(
            f"{wrong:,} of {len(labels):,} clean labels in {printable(file.name)} differ from those of "
            f"{cached.ask.dataset}, first at row {int((clean != labels).argmax())}. The rows have another order: give "
            "the dataset in the order of the published files"
        )


def _write(path: Path, labels: np.ndarray) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"row": pa.array(np.arange(len(labels))), "label": pa.array(labels)})
    with replacing(path) as aside:
        parquet.write_table(table, aside)
