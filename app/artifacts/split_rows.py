"""The split file of a run: the published rows of train, validation and test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.labels.given import Stored
from ..errors import Damaged
from ..system.durable import replacing, require_file
from .paths import RunFiles

if TYPE_CHECKING:
    from ..data.splits.division import Splits


def save(files: RunFiles, splits: Splits) -> None:
    """Write the numbers of the published rows of train, validation and test.

    Under label noise there are also the given and the true label of each row.
    """
    import pyarrow as pa
    from pyarrow import parquet

    named = {"train": splits.train, "val": splits.val, "test": splits.test}
    codes = np.repeat(np.arange(len(named), dtype=np.int32), [len(split.rows) for split in named.values()])
    rows = np.concatenate([split.rows for split in named.values()])
    ends = np.cumsum([0, *map(len, named)], dtype=np.int32)
    names = _arrow(pa.string(), len(named), ends, np.frombuffer("".join(named).encode(), np.uint8))
    split = pa.DictionaryArray.from_arrays(_arrow(pa.int32(), len(codes), codes), names)
    columns = {"split": split, "row": _arrow(pa.int64(), len(rows), rows)}
    if published := splits.published:
        labels = {"given_label": [each.targets for each in named.values()], "true_label": [published[n] for n in named]}
        columns |= {name: _arrow(pa.int64(), len(rows), np.concatenate(each)) for name, each in labels.items()}
    table = pa.Table.from_arrays([*columns.values()], names=[*columns])
    with replacing(files.splits) as aside:
        parquet.write_table(table, aside)


def _arrow(kind: Any, length: int, *buffers: np.ndarray) -> Any:
    """Return an Arrow array over numpy's memory.

    `pa.array` would import pandas, which takes half a second before the first step.
    """
    import pyarrow as pa

    return pa.Array.from_buffers(kind, length, [None, *map(pa.py_buffer, buffers)])


def given(files: RunFiles, *names: str) -> Stored | None:
    """Return the given labels of the rows of these splits of a run, or None if they are missing or damaged."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    try:
        table = parquet.read_table(require_file(files.splits))
        table = table.filter(pc.is_in(table["split"].cast(pa.string()), value_set=pa.array(names, pa.string())))
        return Stored(table["row"].to_numpy(), table["given_label"].to_numpy())
    except (OSError, pa.ArrowException, KeyError):
        return None


def of_test(files: RunFiles) -> np.ndarray:
    """Return the test rows of a run. Raise Damaged if their file is missing or damaged."""
    return of(files, "test")


def of(files: RunFiles, *names: str) -> np.ndarray:
    """Return the rows of these splits of a run, int64 (n,). Raise Damaged if their file is missing or damaged."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    try:
        table = parquet.read_table(require_file(files.splits))
        chosen = pc.is_in(table["split"].cast(pa.string()), value_set=pa.array(names, pa.string()))
        return table.filter(chosen)["row"].to_numpy()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise Damaged(f"the split file {files.splits} is damaged. Run `evaluate --again` to recompute it") from error
