"""The predictions of a run's test set: one line per example, kept as parquet, from which every metric follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import task
from ..errors import Damaged
from ..system.durable import replacing, require_file
from ..task import Task


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

    def save(self, path: Path) -> None:
        """Writes them as parquet."""
        import pyarrow as pa
        from pyarrow import parquet

        columns: dict[str, Any] = {"row": self.rows}
        if self.names is not None:
            columns["name"] = [str(name) for name in self.names]
        if self.task is task.values:
            columns |= {"target": self.labels, "prediction": self.logits[:, 0]}
        else:
            columns |= {"label": self.labels, "logits": list(self.logits)}
        with replacing(path) as aside:
            parquet.write_table(pa.table(columns), aside)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Reads them; raises Damaged when the file is damaged."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            table = parquet.read_table(require_file(path))
            columns = {name: np.array(table[name].to_pylist()) for name in table.column_names}
            names = columns.get("name")
            if "target" in columns:
                target, prediction = (columns[name].astype(np.float32) for name in ("target", "prediction"))
                return cls(columns["row"], target, prediction[:, None], names, task.values)
            return cls(columns["row"], columns["label"], columns["logits"].astype(np.float32), names)
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise Damaged(f"the predictions {path} are damaged. `evaluate --again` computes them again") from error
