"""The numbers of attention maps as parquet, `<stem>_attention.parquet`: one row group per inputs and layer.

A row is one test image. A number that a model does not have is null. Row groups and rows are in a fixed order, so that
the bytes do not depend on interruptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import Damaged
from ..system.durable import replacing, require_file
from ..tables.attention_numbers import NUMBERS

if TYPE_CHECKING:
    import pyarrow

TEST = "test"  # the inputs that are the test images themselves
CANVAS, PATCHED = "canvas", "patched"  # those among distractors, whose names end in the number of distractors
# How inputs are made, from 1. Revision 1 drew a canvas's distractors from the measured rows, so that they depended on
# `--limit-test`. From 2, the file's name of the inputs ends in the revision, such as `canvas3:2`.
_REVISIONS = {CANVAS: 2}


class Part(NamedTuple):
    """The weights, inputs and layer that numbers are of."""

    weights: str  # final | best | ema
    inputs: str  # test, canvas0 to canvas8 with that many distractors, or patched0 to patched8 with that many patches
    layer: int  # from 0; -1 for numbers of all layers together


class Numbers(NamedTuple):
    """The numbers of test images by name, in ascending order of the rows."""

    rows: np.ndarray  # int64 (n,)
    values: Mapping[str, np.ndarray]  # float64 (n,) each

    def of(self, rows: np.ndarray) -> Numbers | None:
        """Return the numbers of these rows in their order, or None if one is missing."""
        at = np.searchsorted(self.rows, rows).clip(max=max(0, len(self.rows) - 1))
        if not len(self.rows) or not np.array_equal(self.rows[at], rows):
            return None
        return Numbers(rows, {name: values[at] for name, values in self.values.items()})

    def joined(self, other: Numbers) -> Numbers:
        """Return the numbers with those of other rows."""
        rows = np.concatenate([self.rows, other.rows])
        order = np.argsort(rows, kind="stable")
        values = {name: np.concatenate([self.values[name], other.values[name]])[order] for name in self.values}
        return Numbers(rows[order], values)


def save(path: Path, parts: Mapping[Part, Numbers]) -> None:
    """Write all parts in their order, aside and then in place of the file, with the revision of their inputs."""
    import pyarrow as pa
    from pyarrow import parquet

    writer: Any = None
    with replacing(path) as aside:
        for part in sorted(parts):
            table = pa.table(_columns(part, parts[part]))
            writer = writer or parquet.ParquetWriter(aside, table.schema, compression="zstd")
            writer.write_table(table)
        writer.close()


def _columns(part: Part, found: Numbers) -> dict[str, Any]:
    import pyarrow as pa

    count = len(found.rows)
    texts = {
        name: pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value]))
        for name, value in (("weights", part.weights), ("inputs", part.inputs + _revision(part.inputs)))
    }
    values = {
        name: pa.array(found.values[name], pa.float64()) if name in found.values else pa.nulls(count, pa.float64())
        for name in NUMBERS
    }
    return {**texts, "layer": np.full(count, part.layer, np.int64), "row": found.rows, **values}


def load(path: Path) -> dict[Part, Numbers]:
    """Return the parts in a file, or none if it does not exist, without those of an earlier revision of their inputs.

    Raises Damaged if it cannot be read.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if not path.exists():
        return {}
    try:
        with parquet.ParquetFile(require_file(path)) as file:
            groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
        return dict(each for group in groups if (each := _read(group)))
    except (OSError, pa.ArrowException, KeyError, IndexError, ValueError) as error:
        raise Damaged(f"the numbers {path} are damaged. Delete the file, and run `attention` again") from error


def _revision(inputs: str) -> str:
    """Return the end of the file's name of some inputs: their revision, or nothing for the first one."""
    number = next((number for kind, number in _REVISIONS.items() if inputs.startswith(kind)), 1)
    return "" if number == 1 else f":{number}"


def _read(table: pyarrow.Table) -> tuple[Part, Numbers] | None:
    """Return a part with its numbers, or None if its inputs are made in another way now."""
    weights, kept, layer = (table[name][0].as_py() for name in Part._fields)
    inputs = kept.partition(":")[0]
    if kept != inputs + _revision(inputs):
        return None
    part = Part(weights, inputs, layer)
    known = [name for name in NUMBERS if name in table.column_names and not table[name].null_count]
    return part, Numbers(_array(table["row"]), {name: _array(table[name]) for name in known})


def _array(column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column as a separate array. `to_numpy` would import pandas."""
    return np.concatenate([np.from_dlpack(piece) for piece in column.chunks])
