"""Files of labels for `--label-noise`: what they contain, and the copy in the cache that a run finds by its sha256."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...config import noisy
from ...errors import InputError
from ...system import durable, home
from ...system.printable import printable
from ...tables import label_noise

_HOW = "Give columns `row` and `label`, or an .npy file with one class number per training row"


class Labels(NamedTuple):
    """The labels of a file: class numbers or class names (n,), and the published rows (n,) that they are for."""

    labels: np.ndarray
    rows: np.ndarray | None  # None: one label per published row, in order


def asked(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request that names a file of labels by its sha256, after copying it to the cache.

    Raises InputError for a file that does not exist or cannot be read.
    """
    path = noisy.path_of(request)
    if path is None:
        return dict(request)
    return {**request, "label_noise": f"{label_noise.FILE}:{keep(Path(path).expanduser())}"}


def keep(path: Path) -> str:
    """Return the sha256 of a file of labels, which is copied to the cache. Raises InputError."""
    if not path.is_file():
        raise InputError(f"--label-noise {path}: this file does not exist. {_HOW}")
    read(path)
    digest = durable.sha256(path)
    kept = _folder() / f"{digest}{path.suffix.lower()}"
    if not kept.exists() or durable.sha256(kept) != digest:
        with durable.replacing(kept, wanted=path.stat().st_size) as aside:
            shutil.copyfile(path, aside)
    return digest


def _folder() -> Path:
    return home.root() / "labels"


def is_kept(digest: str) -> bool:
    """Return whether the cache has the file with this sha256."""
    return _kept(digest) is not None


def _kept(digest: str) -> Path | None:
    found = next((path for end in label_noise.ENDINGS if (path := _folder() / f"{digest}{end}").exists()), None)
    return found if found and durable.sha256(found) == digest else None


def of_digest(digest: str) -> Labels:
    """Return the labels of the file with this sha256 in the cache. Raises InputError if the cache lacks it."""
    path = _kept(digest)
    if path is None:
        raise InputError(
            f"the labels of --label-noise sha256:{digest[:16]}... are not in the cache of this machine. Give their "
            "file: --label-noise FILE"
        )
    return read(path)


def read(path: Path) -> Labels:
    """Return the labels of a .parquet, .csv or .npy file. Nothing in it is executed. Raises InputError."""
    try:
        found = _array(path) if path.suffix.lower() == ".npy" else _table(path)
    except InputError:
        raise
    except Exception as error:  # a reader meets damage with whatever it stumbled over
        raise InputError(f"{printable(path.name)} cannot be read ({type(error).__name__}). {_HOW}") from error
    if found.labels.ndim != 1 or not len(found.labels) or found.labels.dtype.kind not in "iuOU":
        raise InputError(
            f"{printable(path.name)} has labels of the type {found.labels.dtype} and the shape {found.labels.shape}. "
            f"{_HOW}"
        )
    return found


def _array(path: Path) -> Labels:
    return Labels(np.load(durable.require_file(path), allow_pickle=False), None)


def _table(path: Path) -> Labels:
    import pyarrow as pa
    from pyarrow import csv, parquet

    read = csv.read_csv if path.suffix.lower() == ".csv" else parquet.read_table
    table: pa.Table = read(durable.require_file(path))
    if missing := [name for name in ("row", "label") if name not in table.column_names]:
        names = ", ".join(map(printable, table.column_names))
        raise InputError(f"{printable(path.name)} has no column `{missing[0]}` (its columns: {names}). {_HOW}")
    if empty := table["label"].null_count + table["row"].null_count:
        raise InputError(f"{printable(path.name)} has an empty cell in `row` or `label` ({empty:,} in all). Fill it")
    rows, labels = table["row"].to_numpy(), table["label"].to_numpy()
    if rows.dtype.kind not in "iu":
        raise InputError(f"{printable(path.name)}: the column `row` is {rows.dtype}. Use whole numbers from 0")
    return Labels(labels, rows.astype(np.int64))
