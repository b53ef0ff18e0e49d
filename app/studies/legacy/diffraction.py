"""The outputs of the 1-D ResNet's trainer for diffraction: its tensor of accuracies, log lines and final analytics."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...artifacts.predictions import Predictions
from ...artifacts.runs import Run
from ...data.sources import tensors
from ...errors import InputError
from ...system.durable import write_text
from ..cells import Cell
from . import epochs

if TYPE_CHECKING:
    from torch import Tensor

TENSOR = "train-t1_test-t3-test.pt"
ANALYTICS = (  # the values of `return_analytics`, in its order
    "epochs", "train_accuracy_array", "top1_validation_acc_array", "top3_validation_acc_array", "top1_test_accuracy",
    "top3_test_accuracy", "top1_predictions", "top3_predictions",
)  # fmt: skip


def read_tensor(path: Path) -> Tensor:
    """Return the accuracies of a run, float (3, epochs): training, top-1 and top-3. Raises InputError."""
    import torch

    found = tensors.load(path)
    if not isinstance(found, torch.Tensor) or found.dim() != 2 or len(found) != 3 or not found.is_floating_point():
        raise InputError(f"{path} is not a tensor of accuracies, float (3, epochs). Give a {TENSOR}")
    return found


def write_tensor(path: Path, accuracies: Sequence[Sequence[float]]) -> None:
    """Write three rows of accuracies as a plain float tensor."""
    import torch

    tensors.save(path, torch.tensor(accuracies, dtype=torch.float32))


def line(epoch: int, of: int, train: float, top1: float, top3: float) -> str:
    """Return the log line of an epoch from 1, with its percentages cut to integers."""
    shown = [f"[{name}: {int(100 * rate)}%]" for name, rate in
             (("Train Acc", train), ("T1 Test Acc", top1), ("Top 3 acc", top3))]  # fmt: skip
    return f"[Epoch {epoch}/{of}] {' '.join(shown)}\n"


def write(runs: Sequence[tuple[Cell, Run]], folder: Path, say: Callable[[str], None]) -> None:
    """Write the tensor, the log and the analytics of each run into a folder of its ID. Raises InputError."""
    for cell, run in runs:
        rows = _accuracies(run)
        here, count = folder / cell.run_id, len(rows[0])
        write_tensor(here / TENSOR, rows)
        lines = [line(epoch, count, *rates) for epoch, rates in enumerate(zip(*rows, strict=True), 1)]
        write_text(here / "log.txt", "".join(lines))
        write_text(here / "analytics.json", json.dumps(_analytics(run, rows), indent=1) + "\n")
    say("note: the accuracies per epoch are of the validation split, where the trainer has its test tensor")


def _accuracies(run: Run) -> list[list[float]]:
    """Return the rates of each epoch in three rows: training, and top-1 and top-3 of the validation split."""
    found = epochs.of_run(run)
    top3 = [each.val_correct_at_3 for each in found]
    if None in top3:
        raise InputError(
            f"run {run.record.run_id} has no top-3 counts in its log, because an earlier version trained it. Retrain "
            "it with --fresh"
        )
    return [
        [each.train_correct / each.train_examples for each in found],
        [each.val_correct / each.val_examples for each in found],
        [(count or 0) / each.val_examples for each, count in zip(found, top3, strict=True)],
    ]


def _analytics(run: Run, rows: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the values of `return_analytics` by name: rates are fractions, predictions are numbers of classes."""
    logits = Predictions.load(run.files.predictions).logits  # (n, K)
    order = np.argsort(-logits, axis=1, kind="stable")
    test = run.record.test
    values = [len(rows[0]), *rows, test.top1, test.top3, order[:, 0].tolist(), order[:, :3].tolist()]
    return dict(zip(ANALYTICS, values, strict=True))
