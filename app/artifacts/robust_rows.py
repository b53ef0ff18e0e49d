"""The predictions for corrupted test rows as parquet, `<stem>_robust.parquet`: one row group per pair.

A pair is a corruption at a severity under one set of conditions. The file is replaced after each pair, so that a killed
command loses one pair at most. Pairs are in a fixed order, so that the bytes do not depend on interruptions.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import task
from ..errors import Damaged
from ..system.durable import replacing, require_file
from .predictions import Predictions

if TYPE_CHECKING:
    import pyarrow

CLEAN = "none"  # the corruption of severity 0


class Pair(NamedTuple):
    """A corruption at a severity, and everything else that decides the inputs and the weights."""

    weights: str  # final | best | ema
    source: str  # generated, or the file or photographs that were used, with a digest
    side: str  # in pixels, such as 32 or 32x48
    seed: int
    corruption: str
    severity: int


class Outcome(NamedTuple):
    """What a model made of corrupted rows. For a regression, `predicted` are values and `ranks` do not exist."""

    rows: np.ndarray  # int64 (n,)
    labels: np.ndarray  # int64 (n,), or float32 (n,) of a regression
    predicted: np.ndarray  # int64 (n,), or float32 (n,)
    ranks: np.ndarray | None = None  # int64 (n,): classes that are ahead of the label; 0 is a correct prediction
    nll: np.ndarray | None = None  # float32 (n,): -log of the label's probability, in nats
    confidence: np.ndarray | None = None  # float32 (n,): probability of the predicted class

    @property
    def value(self) -> float:
        """The accuracy as a fraction, or the RMSE."""
        if self.ranks is not None:
            return float((self.ranks == 0).mean())
        return math.sqrt(float(((self.predicted.astype(np.float64) - self.labels) ** 2).mean()))

    def of(self, rows: np.ndarray) -> Outcome | None:
        """Return the outcome for these rows in their order, or None if it lacks one of them."""
        order = np.argsort(self.rows, kind="stable")
        at = np.searchsorted(self.rows[order], rows).clip(max=len(order) - 1)
        chosen = order[at]
        if not np.array_equal(self.rows[chosen], rows):
            return None
        return Outcome(*(None if each is None else each[chosen] for each in self))  # type: ignore[arg-type]


def outcome_of(found: Predictions) -> Outcome:
    """Return the outcome in predictions. A class is ahead of the label as in `scoring.correct_at`."""
    if found.task is task.values:
        return Outcome(found.rows, found.labels, found.logits[:, 0])
    logits, labels = found.logits.astype(np.float64), found.labels
    own = np.take_along_axis(logits, labels[:, None], 1)
    before = np.arange(logits.shape[1]) < labels[:, None]
    ranks = ((logits > own) | ((logits == own) & before)).sum(1)
    predicted = logits.argmax(1)
    logits -= logits.max(1, keepdims=True)
    total = np.log(np.exp(logits).sum(1))
    nll = total - np.take_along_axis(logits, labels[:, None], 1)[:, 0]
    return Outcome(
        found.rows, labels, predicted, ranks, nll.astype(np.float32), np.exp(-total).astype(np.float32)
    )  # fmt: skip


def save(path: Path, pairs: dict[Pair, Outcome]) -> None:
    """Write all pairs in their order, aside and then in place of the file."""
    import pyarrow as pa
    from pyarrow import parquet

    writer: Any = None
    with replacing(path) as aside:
        for pair in sorted(pairs):
            table = pa.table(_columns(pair, pairs[pair]))
            writer = writer or parquet.ParquetWriter(aside, table.schema, compression="zstd")
            writer.write_table(table)
        writer.close()


def _columns(pair: Pair, found: Outcome) -> dict[str, Any]:
    import pyarrow as pa

    count = len(found.rows)
    same = {
        name: pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value]))
        for name, value in pair._asdict().items()
    }
    columns: dict[str, Any] = {"row": found.rows}
    if found.ranks is None:
        return {**same, **columns, "target": found.labels, "prediction": found.predicted}
    columns |= {"label": found.labels, "predicted": found.predicted, "rank": found.ranks}
    return {**same, **columns, "nll": found.nll, "confidence": found.confidence}


def load(path: Path) -> dict[Pair, Outcome]:
    """Return the pairs in a file, or none if it does not exist. Raise Damaged if it cannot be read."""
    import pyarrow as pa
    from pyarrow import parquet

    if not path.exists():
        return {}
    try:
        with parquet.ParquetFile(require_file(path)) as file:
            groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
        return dict(map(_read, groups))
    except (OSError, pa.ArrowException, KeyError, IndexError, ValueError) as error:
        raise Damaged(f"the predictions {path} are damaged. Delete the file, and run `robust` again") from error


def _read(table: pyarrow.Table) -> tuple[Pair, Outcome]:
    pair = Pair(*(table[name][0].as_py() for name in Pair._fields))
    names = ("target", "prediction") if "target" in table.column_names else (
        "label", "predicted", "rank", "nll", "confidence"
    )  # fmt: skip
    return pair, Outcome(*(_array(table[name]) for name in ("row", *names)))


def _array(column: pyarrow.ChunkedArray) -> np.ndarray:
    """Return a column without missing values as a separate array. `to_numpy` would import pandas."""
    if column.null_count:
        raise ValueError("a value is missing")
    return np.concatenate([np.from_dlpack(piece) for piece in column.chunks])
