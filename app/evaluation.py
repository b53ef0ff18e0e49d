"""Predictions of a model for every example of a split, and the metrics computed from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from . import scoring
from .artifacts.predictions import Predictions
from .errors import Damaged, Diverged
from .place import Place
from .task import Task


class TestSplit(Protocol):
    """The part of a split's interface that an evaluation needs."""

    @property
    def rows(self) -> np.ndarray: ...

    # names: np.ndarray, str (n,), where its examples have any; paths: Sequence[str], where they are files of a folder;
    # groups: np.ndarray, int64 (n,), where the dataset is divided by groups

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, examples: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]: ...


def predict(model: nn.Module, split: TestSplit, *, task: Task, batch_size: int, place: Place) -> Predictions | None:
    """Return the logits of every example of the split, each once and in order. Each rank computes its share.

    The first rank returns all of them, the others None.
    """
    model.eval()
    parts = _predicted(model, split, place.share(np.arange(len(split))), batch_size=batch_size, place=place)
    gathered = [place.gather(part) for part in parts]
    if place.rank:
        return None
    examples, labels, logits = (part.numpy() for part in gathered if part is not None)
    assert np.array_equal(examples, np.arange(len(split))), "an example was seen twice, not at all, or out of turn"
    names, paths, groups = (getattr(split, name, None) for name in ("names", "paths", "groups"))
    return Predictions(split.rows[examples], labels, logits, names, task, paths, groups)


def _predicted(
    model: nn.Module, split: TestSplit, mine: np.ndarray, *, batch_size: int, place: Place
) -> tuple[Tensor, ...]:
    """Return examples (n,), labels (n,) and logits (n, K) on the host.

    A rank with an empty share computes one example.
    """
    seen, labels, logits = [], [], []
    with torch.no_grad():  # as in validation: inference mode would be another program of a compiled model
        for examples, inputs, targets in split.batches(batch_size, mine if len(mine) else np.arange(1)):
            with place.autocast():
                logits.append(model(inputs).float().cpu())
            seen.append(torch.from_numpy(examples))
            labels.append(targets.cpu())
    made = (torch.cat(part) for part in (seen, labels, logits))
    return tuple(part if len(mine) else part[:0] for part in made)


def require_same_rows(predictions: Predictions, rows: np.ndarray) -> None:
    """Raise InputError unless the predictions contain every test row exactly once."""
    if not np.array_equal(np.sort(predictions.rows), np.sort(rows)):
        raise Damaged("the predictions do not have each row of this test set once. Use `evaluate --again`")


def metrics(predictions: Predictions) -> dict[str, Any]:
    """Return the metrics of a test for its task. Raises Diverged as `require_numbers` does."""
    require_numbers(predictions)
    return predictions.task.metrics(predictions.labels, predictions.logits, predictions.names)


def require_numbers(predictions: Predictions) -> None:
    """Raise Diverged if an output is not a number, or if the loss is infinite.

    A logit of minus infinity is allowed if the truth is another class, since it only excludes a class.
    """
    outputs, labels = predictions.logits, scoring.tensor_of(predictions.labels)
    if rows := int(np.isnan(outputs).any(1).sum()):
        what = f"the model's outputs are not numbers for {rows:,} of {len(outputs):,} test examples"
    else:
        loss = float(predictions.task.losses(scoring.tensor_of(outputs).double(), labels).mean())
        if math.isfinite(loss):
            return
        what = f"the test loss is {loss}"
    raise Diverged(f"{what}, so there are no results. Train another run with a lower --lr or with --clip-norm 1")


def top_k(predictions: Predictions, k: int) -> dict[str, Any]:
    """Return the share of examples whose class is among the k highest logits, with its 95 % Wilson interval.

    Raises Diverged if a logit is not a number.
    """
    require_numbers(predictions)
    return scoring.top_k(predictions.labels, predictions.logits, k)
