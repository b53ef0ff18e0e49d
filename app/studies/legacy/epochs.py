"""The epochs of a run as its log has them, which the files of the original systems have one row for."""

from __future__ import annotations

from dataclasses import dataclass

from ... import log
from ...artifacts.runs import Run


@dataclass(kw_only=True)
class Epoch:
    """One epoch: sums over its training examples, and its full validation pass."""

    step: int = 0  # its last
    lr: float = 0.0  # of its last step
    seconds: float = 0.0  # of training and validation
    train_loss: float = 0.0  # sum over its examples
    train_examples: int = 0
    train_correct: int = 0
    val_loss: float = 0.0  # mean over the pass
    val_examples: int = 0
    val_correct: int = 0
    val_correct_at_3: int | None = None


def of_run(run: Run) -> list[Epoch]:
    """Return the complete epochs of a run, the first one first. Raises Damaged."""
    found: dict[int, Epoch] = {}
    for row in log.read(run.files.log)[1]:
        epoch = found.setdefault(row["epoch"], Epoch())
        epoch.seconds += row.get("seconds", 0)
        if row["split"] == "train":
            epoch.train_loss += row["loss"] * row["examples"]
            epoch.train_examples += row["examples"]
            epoch.train_correct += row.get("correct", 0)
        elif row["split"] == "val_full":
            epoch.step, epoch.lr = row["step"], row["lr"]
            epoch.val_loss, epoch.val_examples = row["loss"], row["examples"]
            epoch.val_correct, epoch.val_correct_at_3 = row.get("correct", 0), row.get("correct_at_3")
    return [epoch for _, epoch in sorted(found.items()) if epoch.val_examples]
