"""Predictions of images without labels, as CSV and parquet: path, class, probability, one column per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from csv import Error as CsvError
from csv import reader as csv_rows
from pathlib import Path
from typing import Any

import numpy as np

from ..system.durable import replacing

_OWN = ("path", "class", "probability")
_VALUES = 1 << 20  # probabilities that are written together, since groups of few rows make large files


def columns(names: Sequence[str]) -> list[str]:
    """Return a column name for each class: its name, or a variant that no other column has."""
    taken = {*_OWN, *names}
    found = []
    for name in names:
        column = name
        if name in _OWN:
            while column in taken:
                column += " (class)"
            taken.add(column)
        found.append(column)
    return found


def is_ours(path: Path) -> bool:
    """Return whether a CSV or parquet file begins with the columns of a table of predictions."""
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    try:
        if path.suffix == ".parquet":
            return tuple(read_schema(path).names[: len(_OWN)]) == _OWN
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(next(csv_rows(file), [])[: len(_OWN)]) == _OWN
    except (OSError, UnicodeDecodeError, CsvError, pa.ArrowInvalid):
        return False


@contextmanager
def written(csv: Path, parquet: Path, names: Sequence[str]) -> Iterator[Table]:
    """Yield a table to add rows to. Both files exist once the block ends, and neither if it raises.

    `names` are the names of the classes, in the order of the probabilities.
    """
    import pyarrow as pa
    from pyarrow import csv as writing
    from pyarrow.parquet import ParquetWriter

    numbers = [pa.field(name, pa.float32()) for name in ("probability", *columns(names))]
    schema = pa.schema([pa.field("path", pa.string()), pa.field("class", pa.string()), *numbers])
    with (
        replacing(csv) as text, replacing(parquet) as binary,
        writing.CSVWriter(text, schema) as first, ParquetWriter(binary, schema) as second,
    ):  # fmt: skip
        table = Table(schema, [first, second])
        yield table
        table.flush()


class Table:
    """Rows that wait to be written by the writers of several files."""

    def __init__(self, schema: Any, writers: Sequence[Any]) -> None:
        """Collect rows for an Arrow schema and for writers with this schema."""
        self._schema, self._writers = schema, writers
        self._most = max(1, _VALUES // len(schema))
        self._waiting: list[tuple[Sequence[str], Sequence[str], np.ndarray]] = []

    def add(self, paths: Sequence[str], classes: Sequence[str], probabilities: np.ndarray) -> None:
        """Add rows: their paths, classes, and the probabilities of all classes, float32 (n, K)."""
        self._waiting.append((paths, classes, probabilities))
        if sum(len(paths) for paths, _, _ in self._waiting) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        import pyarrow as pa

        rows, self._waiting = self._waiting, []
        if not rows:
            return
        paths, classes = ([text for row in rows for text in row[part]] for part in (0, 1))
        numbers = np.concatenate([row[2] for row in rows])
        values = [paths, classes, numbers.max(1), *numbers.T]
        arrays = [pa.array(value, kind) for value, kind in zip(values, self._schema.types, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        for writer in self._writers:
            writer.write_table(table)
