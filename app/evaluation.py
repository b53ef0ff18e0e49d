"""Metrics of a model over a split: predictions for every example once, and the numbers that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from . import task
from .errors import Damaged
from .place import Place
from .system.durable import replacing
from .task import Task


class TestSplit(Protocol):
    """What an evaluation needs of a split."""

    @property
    def rows(self) -> np.ndarray: ...

    # names: np.ndarray, str (n,), where its examples have any

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, examples: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]: ...


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
        """Reads them; raises InputError when the file is damaged."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            table = parquet.read_table(path)
            columns = {name: np.array(table[name].to_pylist()) for name in table.column_names}
            names = columns.get("name")
            if "target" in columns:
                target, prediction = (columns[name].astype(np.float32) for name in ("target", "prediction"))
                return cls(columns["row"], target, prediction[:, None], names, task.values)
            return cls(columns["row"], columns["label"], columns["logits"].astype(np.float32), names)
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise Damaged(f"the predictions {path} are damaged. `evaluate --again` computes them again") from error


def predict(model: nn.Module, split: TestSplit, *, task: Task, batch_size: int, place: Place) -> Predictions | None:
    """Logits for every example of the split, each exactly once and in order; each rank makes its share of them.

    The first rank gets them all, the others None.
    """
    model.eval()
    parts = _predicted(model, split, place.share(np.arange(len(split))), batch_size=batch_size, place=place)
    gathered = [place.gather(part) for part in parts]
    if place.rank:
        return None
    examples, labels, logits = (part.numpy() for part in gathered if part is not None)
    assert np.array_equal(examples, np.arange(len(split))), "an example was seen twice, not at all, or out of turn"
    return Predictions(split.rows[examples], labels, logits, getattr(split, "names", None), task)


def _predicted(
    model: nn.Module, split: TestSplit, mine: np.ndarray, *, batch_size: int, place: Place
) -> tuple[Tensor, ...]:
    """Examples (n,), labels (n,) and logits (n, K) on the host; a rank without any computes one, for its shape."""
    seen, labels, logits = [], [], []
    with torch.inference_mode():
        for examples, inputs, targets in split.batches(batch_size, mine if len(mine) else np.arange(1)):
            with place.autocast():
                logits.append(model(inputs).float().cpu())
            seen.append(torch.from_numpy(examples))
            labels.append(targets.cpu())
    made = (torch.cat(part) for part in (seen, labels, logits))
    return tuple(part if len(mine) else part[:0] for part in made)


def require_same_rows(predictions: Predictions, rows: np.ndarray) -> None:
    """Raises InputError unless the predictions hold every test row exactly once."""
    if not np.array_equal(np.sort(predictions.rows), np.sort(rows)):
        raise Damaged("the predictions are not of this test set, each row once. Use `evaluate --again`")


def metrics(predictions: Predictions) -> dict[str, Any]:
    """Return the numbers of a test, as its task measures it."""
    return predictions.task.metrics(predictions.labels, predictions.logits, predictions.names)


def top_k(predictions: Predictions, k: int) -> dict[str, Any]:
    """Return the share of examples whose class is among the k highest logits, with its 95 % Wilson interval."""
    return task.top_k(predictions.labels, predictions.logits, k)
