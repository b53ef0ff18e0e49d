"""The predictions of a run's test set as parquet, with one row per example. Every metric is computed from them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import task
from ..errors import Damaged
from ..system.durable import replacing, require_file
from ..task import Task

if TYPE_CHECKING:
    import pyarrow

_NARROW = 2**31  # values that fit into a list column with 32-bit offsets, which all files have so far


@dataclass(frozen=True)
class Predictions:
    """One row per test example: its row number as published, its label, and the model's logits.

    For a regression, labels are the true values and logits (n, 1) are the model's predictions. The table's columns are
    then `target` and `prediction`. `names` are the examples' names, if they have names. Examples of one name, such as
    the frames of one simulation, are not independent of each other. Neither are those of one of the `groups`, the
    numbers of the groups of a dataset that is divided by `--group-column`, such as patients.
    """

    rows: np.ndarray  # int64 (n,)
    labels: np.ndarray  # int64 (n,), float32 (n,) of a regression
    logits: np.ndarray  # float32 (n, K)
    names: np.ndarray | None = None  # str (n,)
    task: Task = task.classes
    paths: Sequence[str] | None = None  # of the files within the dataset's folder, (n,), if rows have one
    groups: np.ndarray | None = None  # int64 (n,)

    def in_order(self, order: np.ndarray) -> Predictions:
        """Return the rows at these places, without their paths."""
        names, groups = (None if each is None else each[order] for each in (self.names, self.groups))
        return Predictions(self.rows[order], self.labels[order], self.logits[order], names, self.task, groups=groups)

    def save(self, path: Path) -> None:
        """Write them as parquet."""
        import pyarrow as pa
        from pyarrow import parquet

        columns: dict[str, Any] = {"row": self.rows}
        if self.paths is not None:
            columns["path"] = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in self.paths]
        if self.names is not None:
            columns["name"] = [str(name) for name in self.names]
        if self.groups is not None:
            columns["group"] = self.groups
        if self.task is task.values:
            columns |= {"target": self.labels, "prediction": self.logits[:, 0]}
        else:
            columns |= {"label": self.labels, "logits": _lists(self.logits)}
        with replacing(path) as aside:
            parquet.write_table(pa.table(columns), aside)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Return the predictions in a file. Raise Damaged if it is missing, damaged or lacks a required value."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(require_file(path)) as file:
                table = file.read()
            return cls._of({name: table[name] for name in table.column_names})
        except FileNotFoundError as error:
            raise Damaged(
                f"the predictions {path} are missing. Run `evaluate --again` to recompute them, or restore the file"
            ) from error
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise Damaged(
                f"the predictions {path} are damaged ({_reason(error)}). Run `evaluate --again` to recompute them"
            ) from error

    @classmethod
    def _of(cls, columns: Mapping[str, pyarrow.ChunkedArray]) -> Predictions:
        """Return the predictions in a table's columns. Raise KeyError or ValueError for other columns."""
        rows = _whole_numbers(columns, "row")
        names = _texts(columns["name"]) if "name" in columns else None
        paths = columns["path"].to_pylist() if "path" in columns else None
        groups = _integers("group", columns["group"]) if "group" in columns else None
        if "target" in columns:
            target, prediction = _known("target", columns["target"]), _numbers("prediction", columns["prediction"])
            return cls(rows, target, prediction[:, None], names, task.values, paths, groups)
        labels, logits = _whole_numbers(columns, "label"), _matrix("logits", columns["logits"])
        if len(labels) and labels.max() >= logits.shape[1]:
            raise ValueError(f"label {labels.max()} is above the {logits.shape[1]} classes of its logits")
        return cls(rows, labels, logits, names, paths=paths, groups=groups)


def _reason(error: Exception) -> str:
    """Return the reason why a file is damaged, in one line. The readers of parquet write several lines."""
    if isinstance(error, KeyError):
        return f"it has no column {error.args[0]}"
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _lists(values: np.ndarray) -> Any:
    """Return rows (n, K) as an Arrow column of lists over the same memory."""
    import pyarrow as pa

    wide = values.size >= _NARROW
    kind, width = (pa.LargeListArray, np.int64) if wide else (pa.ListArray, np.int32)
    ends = np.arange(len(values) + 1) * values.shape[1]
    return kind.from_arrays(pa.array(ends.astype(width)), pa.array(np.ascontiguousarray(values).reshape(-1)))


def _whole_numbers(columns: Mapping[str, pyarrow.ChunkedArray], name: str) -> np.ndarray:
    """Return a column of row numbers or labels, int64 (n,). Raise ValueError for other values."""
    found = _integers(name, columns[name])
    if len(found) and found.min() < 0:
        raise ValueError(f"{name} contains {found.min()}, which is below 0")
    return found


def _integers(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column of integers, int64 (n,). Raise ValueError for other values."""
    import pyarrow as pa

    if not pa.types.is_integer(column.type):
        raise ValueError(f"{name} is of type {column.type}, not of whole numbers")
    return _array(name, column).astype(np.int64, copy=False)


def _numbers(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column of numbers, float32 (n,). Raise ValueError for other values."""
    import pyarrow as pa

    if not pa.types.is_floating(column.type) and not pa.types.is_integer(column.type):
        raise ValueError(f"{name} is of type {column.type}, not of numbers")
    return _array(name, column).astype(np.float32, copy=False)


def _known(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column of true values, float32 (n,). Raise ValueError if one is NaN.

    Only predictions may be NaN, if the model diverged.
    """
    found = _numbers(name, column)
    if len(found) and np.isnan(found.min()):  # the minimum is NaN if any value is
        raise ValueError(f"{name} contains NaN")
    return found


def _matrix(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column of lists of one length, float32 (n, K). Raise ValueError for other values."""
    import pyarrow as pa

    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise ValueError(f"{name} is of type {column.type}, not of lists")
    if column.null_count or not len(column):
        raise ValueError(f"{name} has rows without a value" if column.null_count else f"{name} has no rows")
    flat = _numbers(name, pa.chunked_array([piece.flatten() for piece in column.chunks]))
    width, left = divmod(len(flat), len(column))
    if left or not width or any((_lengths(piece) != width).any() for piece in column.chunks):
        raise ValueError(f"the rows of {name} differ in length, or are empty")
    return flat.reshape(len(column), width)


def _lengths(piece: Any) -> np.ndarray:
    """Return the number of values in each list of a piece of a column."""
    import pyarrow.compute as pc

    return np.from_dlpack(pc.list_value_length(piece))


def _array(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column as a separate array, since Arrow's memory is read-only.

    `to_numpy` would import pandas, which takes half a second. Raises ValueError for a missing value.
    """
    if column.null_count:
        raise ValueError(f"{name} has rows without a value")
    return np.concatenate([np.from_dlpack(piece) for piece in column.chunks] or [column.to_numpy()])


def _texts(column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column of names, str (n,). Raise ValueError for a missing value."""
    if column.null_count:
        raise ValueError("name has rows without a value")
    return np.array(column.to_pylist(), dtype=str)
