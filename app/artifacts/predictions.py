"""The predictions of a run's test set: one line per example, kept as parquet, from which every metric follows."""

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

_NARROW = 2**31  # values that a list column can hold whose offsets are 32 bits wide, as those of all files so far


@dataclass(frozen=True)
class Predictions:
    """One line per test example: its row number as published, its label, and the model's logits.

    Of a regression labels are the true numbers and logits (n, 1) what the model makes of them; the table's columns are
    then `target` and `prediction`. `names` are what examples are called, where they are: examples of one name (the
    frames of one simulation, say) are not independent of each other.
    """

    rows: np.ndarray  # int64 (n,)
    labels: np.ndarray  # int64 (n,), float32 (n,) of a regression
    logits: np.ndarray  # float32 (n, K)
    names: np.ndarray | None = None  # str (n,)
    task: Task = task.classes
    paths: Sequence[str] | None = None  # of the files within the dataset's folder, (n,), where rows have one

    def save(self, path: Path) -> None:
        """Writes them as parquet."""
        import pyarrow as pa
        from pyarrow import parquet

        columns: dict[str, Any] = {"row": self.rows}
        if self.paths is not None:
            columns["path"] = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in self.paths]
        if self.names is not None:
            columns["name"] = [str(name) for name in self.names]
        if self.task is task.values:
            columns |= {"target": self.labels, "prediction": self.logits[:, 0]}
        else:
            columns |= {"label": self.labels, "logits": _lists(self.logits)}
        with replacing(path) as aside:
            parquet.write_table(pa.table(columns), aside)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Reads them; raises Damaged for a file that is damaged, or that lacks a value where one belongs."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(require_file(path)) as file:
                table = file.read()
            return cls._of({name: table[name] for name in table.column_names})
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise Damaged(
                f"the predictions {path} are damaged ({_reason(error)}). Run `evaluate --again` to recompute them"
            ) from error

    @classmethod
    def _of(cls, columns: Mapping[str, pyarrow.ChunkedArray]) -> Predictions:
        """The predictions in a table's columns; raises KeyError or ValueError where they are none."""
        rows = _whole_numbers(columns, "row")
        names = _texts(columns["name"]) if "name" in columns else None
        paths = columns["path"].to_pylist() if "path" in columns else None
        if "target" in columns:
            target, prediction = _known("target", columns["target"]), _numbers("prediction", columns["prediction"])
            return cls(rows, target, prediction[:, None], names, task.values, paths)
        labels, logits = _whole_numbers(columns, "label"), _matrix("logits", columns["logits"])
        if len(labels) and labels.max() >= logits.shape[1]:
            raise ValueError(f"label {labels.max()} is above the {logits.shape[1]} classes of its logits")
        return cls(rows, labels, logits, names, paths=paths)


def _reason(error: Exception) -> str:
    """Why a file is damaged, in a line; the readers of parquet write many."""
    if isinstance(error, KeyError):
        return f"it has no column {error.args[0]}"
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _lists(values: np.ndarray) -> Any:
    """Rows (n, K) as an Arrow column of lists over the same memory."""
    import pyarrow as pa

    wide = values.size >= _NARROW
    kind, width = (pa.LargeListArray, np.int64) if wide else (pa.ListArray, np.int32)
    ends = np.arange(len(values) + 1) * values.shape[1]
    return kind.from_arrays(pa.array(ends.astype(width)), pa.array(np.ascontiguousarray(values).reshape(-1)))


def _whole_numbers(columns: Mapping[str, pyarrow.ChunkedArray], name: str) -> np.ndarray:
    """A column of row numbers or labels, int64 (n,)."""
    import pyarrow as pa

    column = columns[name]
    if not pa.types.is_integer(column.type):
        raise ValueError(f"{name} is of type {column.type}, not of whole numbers")
    found = _array(name, column).astype(np.int64, copy=False)
    if len(found) and found.min() < 0:
        raise ValueError(f"{name} contains {found.min()}, which is below 0")
    return found


def _numbers(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column of numbers, float32 (n,)."""
    import pyarrow as pa

    if not pa.types.is_floating(column.type) and not pa.types.is_integer(column.type):
        raise ValueError(f"{name} is of type {column.type}, not of numbers")
    return _array(name, column).astype(np.float32, copy=False)


def _known(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column of true values, float32 (n,), none of which is NaN; what a model makes of them may be: it diverged."""
    found = _numbers(name, column)
    if len(found) and np.isnan(found.min()):  # the smallest of any with NaN is NaN
        raise ValueError(f"{name} contains NaN")
    return found


def _matrix(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column of lists of one length, float32 (n, K)."""
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
    """How many values each list of a piece of a column holds."""
    import pyarrow.compute as pc

    return pc.list_value_length(piece).to_numpy(zero_copy_only=False)


def _array(name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column as an array of its own, since Arrow's memory is read-only; raises ValueError for a missing value."""
    if column.null_count:
        raise ValueError(f"{name} has rows without a value")
    return np.concatenate([piece.to_numpy() for piece in column.chunks] or [column.to_numpy()])


def _texts(column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column of names, str (n,)."""
    if column.null_count:
        raise ValueError("name has rows without a value")
    return column.to_numpy().astype(str)
