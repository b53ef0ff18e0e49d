"""Metrics of a model over a split: predictions for every example once, and the numbers that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from app import task
from app.durable import replacing
from app.errors import InputError


class TestSplit(Protocol):
    """What an evaluation needs of a split."""

    @property
    def rows(self) -> np.ndarray: ...

    def __len__(self) -> int: ...

    def batches(self, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Predictions:
    """One line per test example: its row number as published, its label, and the model's logits."""

    rows: np.ndarray  # int64 (n,)
    labels: np.ndarray  # int64 (n,)
    logits: np.ndarray  # float32 (n, K)

    def save(self, path: Path) -> None:
        """Writes them as parquet."""
        import pyarrow as pa
        from pyarrow import parquet

        columns = {"row": self.rows, "label": self.labels, "logits": list(self.logits)}
        with replacing(path) as aside:
            parquet.write_table(pa.table(columns), aside)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Reads them; raises InputError when the file is damaged."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            table = parquet.read_table(path)
            columns = {name: np.array(table[name].to_pylist()) for name in ("row", "label", "logits")}
            return cls(columns["row"], columns["label"], columns["logits"].astype(np.float32))
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise InputError(f"the predictions {path} are damaged; evaluate with --again makes them anew") from error


def predict(
    model: nn.Module, split: TestSplit, *, batch_size: int, autocast: Callable[[], AbstractContextManager]
) -> Predictions:
    """Logits for every example of the split, each exactly once."""
    model.eval()
    seen, labels, logits = [], [], []
    with torch.inference_mode():
        for examples, inputs, targets in split.batches(batch_size):
            with autocast():
                logits.append(model(inputs).float().cpu().numpy())
            seen.append(examples)
            labels.append(targets.cpu().numpy())
    order = np.concatenate(seen)
    assert np.array_equal(np.sort(order), np.arange(len(split))), "an example was seen twice or not at all"
    return Predictions(split.rows[order], np.concatenate(labels), np.concatenate(logits))


def require_same_rows(predictions: Predictions, rows: np.ndarray) -> None:
    """Raises InputError unless the predictions hold every test row exactly once."""
    if not np.array_equal(np.sort(predictions.rows), np.sort(rows)):
        raise InputError("the predictions are not of this test set, each row once; evaluate with --again")


def metrics(predictions: Predictions) -> dict[str, Any]:
    """n, top1 with its 95 % Wilson interval, top5, mean loss, accuracy per class, confusion (rows: truth).

    A class without test examples has an accuracy of None; rates are fractions.
    """
    from scipy import stats  # seconds to import, and only wanted at a run's end

    logits, labels = torch.from_numpy(predictions.logits), torch.from_numpy(predictions.labels)
    n, classes = logits.shape
    correct = int(task.correct_at(logits, labels, 1).sum())
    interval = stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (predictions.labels, predictions.logits.argmax(1)), 1)
    counts = confusion.sum(1)
    return {
        "n": n,
        "top1": correct / n,
        "top1_interval": [float(interval.low), float(interval.high)],
        "top5": int(task.correct_at(logits, labels, task.TOP_K).sum()) / n,
        "loss": float(task.losses(logits.double(), labels).mean()),
        "correct": correct,
        "per_class": [int(confusion[c, c]) / int(counts[c]) if counts[c] else None for c in range(classes)],
        "confusion": confusion.tolist(),
    }
