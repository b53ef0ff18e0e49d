"""Metrics of a model over a split: predictions for every example once, and the numbers that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from app import task
from app.durable import replacing
from app.errors import InputError
from app.place import Place


class TestSplit(Protocol):
    """What an evaluation needs of a split."""

    @property
    def rows(self) -> np.ndarray: ...

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, examples: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]: ...


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


def predict(model: nn.Module, split: TestSplit, *, batch_size: int, place: Place) -> Predictions | None:
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
    return Predictions(split.rows[examples], labels, logits)


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
