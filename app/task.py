"""The task of a run, classes or values: one object each for its loss, sums, metrics and log columns.

The configuration's `task` selects the object once, by `of`. No other code checks a target's dtype.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from . import losses, scoring
from .losses import Objective

if TYPE_CHECKING:  # numpy and torch are imported where they compute: checks, logs and cards of a task need neither
    import numpy as np
    import torch
    from torch import Tensor

TOPS = (1, 3, 5)  # in results, and in the log after a full validation pass
_COUNTS = ("correct", "correct_at_3", "correct_at_5")  # of TOPS, in the log


class Mixed(NamedTuple):
    """The targets of mixed training examples: `share` of an example's target and 1 - share of its partner's."""

    targets: Tensor  # (B,)
    partners: Tensor  # (B,)
    share: Tensor  # float32 (B,)


class Task(Protocol):
    """The differences between classification and regression."""

    name: ClassVar[str]  # as the configuration, the record and the log's header spell it
    predicts: ClassVar[str]  # for messages
    loss_name: ClassVar[str]
    loss_unit: ClassVar[str]
    least_outputs: ClassVar[int]

    def outputs(self, classes: int) -> int:
        """Return the width of the model's head."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each example in float32 at least: (B, outputs), targets -> (B,)."""

    def sums(self, outputs: Tensor, targets: Tensor, *, at_k: bool = False) -> Tensor:
        """Return the batch's sums for its log row, loss first, on the outputs' device."""

    def blended(self, mixed: Mixed, outputs: Tensor) -> Tensor:
        """Return the targets that `losses` compares outputs of mixed examples with."""

    def objective(self, outputs: Tensor, targets: Tensor, how: Objective) -> Tensor:
        """Return the sum of a batch's training losses: (B, outputs), targets or blended ones -> ()."""

    def columns(self, sums: Sequence[float], examples: int) -> dict[str, Any]:
        """Return the columns of a log row from its sums over `examples`."""

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Return whether a log row has the task's columns, with values of the right kind."""

    def drawn(self, count: int, *, classes: int, device: torch.device) -> Tensor:
        """Return meaningless targets, for measurements on noise."""

    def guess_loss(self, classes: int) -> float | None:
        """Return the loss of a uniform guess, or None if there is no such guess."""

    def metrics(self, labels: np.ndarray, outputs: np.ndarray, names: np.ndarray | None = None) -> dict[str, Any]:
        """Return the metrics of a test from labels (n,) and the model's outputs (n, outputs)."""


@dataclass(frozen=True)
class Classes:
    """Classification. Targets are class indices (B,) int64, or shares of each class (B, K) float of mixed examples."""

    name: ClassVar[str] = "classification"
    predicts: ClassVar[str] = "classes"
    loss_name: ClassVar[str] = "cross-entropy"
    loss_unit: ClassVar[str] = "nats"
    least_outputs: ClassVar[int] = 2

    def outputs(self, classes: int) -> int:
        """Return the number of classes, since each has one logit."""
        return classes

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy in nats: (B, K), (B,) or (B, K) -> (B,)."""
        from torch.nn import functional as F

        return F.cross_entropy(_wide(outputs), targets, reduction="none")

    def sums(self, outputs: Tensor, targets: Tensor, *, at_k: bool = False) -> Tensor:
        """Return (loss, correct), with `at_k` also correct at 3 and 5. Mixed targets count as their largest share."""
        import torch

        loss = self.losses(outputs, targets)
        labels = targets.argmax(1) if targets.dim() == 2 else targets
        counts = [scoring.correct_at(outputs, labels, k).sum() for k in (TOPS if at_k else TOPS[:1])]
        return torch.stack([loss.sum(), *counts])

    def blended(self, mixed: Mixed, outputs: Tensor) -> Tensor:
        """Return the shares of the classes: float32 (B, K)."""
        from torch.nn import functional as F

        classes, share = outputs.shape[1], mixed.share[:, None]
        theirs, others = (F.one_hot(each, classes).to(share.dtype) for each in (mixed.targets, mixed.partners))
        return theirs * share + others * (1 - share)

    def objective(self, outputs: Tensor, targets: Tensor, how: Objective) -> Tensor:
        """Return the sum of the losses that `losses.Objective` describes."""
        return losses.summed(_wide(outputs), targets, how)

    def columns(self, sums: Sequence[float], examples: int) -> dict[str, Any]:
        """Return `loss`, `correct` and, if they were counted, `correct_at_3` and `correct_at_5`."""
        loss, *counts = sums
        named = zip(_COUNTS, counts, strict=False)
        return {"loss": loss / examples, **{name: round(count) for name, count in named}}

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Return whether `loss` is a number and the counts are counts. Earlier logs lack `correct_at_3`."""
        counts = [row.get("correct"), *(row.get(name, 0) for name in _COUNTS[1:])]
        return _is_number(row.get("loss")) and all(map(is_count, counts))

    def drawn(self, count: int, *, classes: int, device: torch.device) -> Tensor:
        """Return the classes in turn: (count,) int64."""
        import torch

        return torch.arange(count, device=device) % classes

    def guess_loss(self, classes: int) -> float | None:
        """Return ln K."""
        return math.log(classes)

    def metrics(self, labels: np.ndarray, outputs: np.ndarray, names: np.ndarray | None = None) -> dict[str, Any]:
        """Return n, top1, top3 and top5 with 95 % Wilson intervals, balanced accuracy, mean loss, recalls, confusion.

        Rows of the confusion are the truth. A class without test examples has an accuracy of None. Rates are fractions.
        An example with a logit that is not a number counts as wrong, and is in no column of the confusion.
        """
        import numpy as np

        del names
        n, classes = outputs.shape
        confusion = np.zeros((classes, classes), np.int64)
        known = ~np.isnan(outputs).any(1)
        np.add.at(confusion, (labels[known], outputs[known].argmax(1)), 1)
        counts = np.bincount(labels, minlength=classes)
        recalls = [int(confusion[c, c]) / int(counts[c]) if counts[c] else None for c in range(classes)]
        rates = {name: value for k in TOPS for name, value in scoring.top_k(labels, outputs, k).items()}
        logits, targets = scoring.tensor_of(outputs), scoring.tensor_of(labels)
        return {
            "n": n,
            **rates,
            "balanced_accuracy": scoring.balanced_accuracy(recalls),
            "loss": float(self.losses(logits.double(), targets).mean()),
            "correct": int(scoring.correct_at(logits, targets, 1).sum()),
            "per_class": recalls,
            "confusion": confusion.tolist(),
        }


@dataclass(frozen=True)
class Values:
    """Regression. Targets are one value per example, (B,) float, and the model has one output."""

    name: ClassVar[str] = "regression"
    predicts: ClassVar[str] = "a value"
    loss_name: ClassVar[str] = "mean squared error"
    loss_unit: ClassVar[str] = "square of the target's unit"
    least_outputs: ClassVar[int] = 1

    def outputs(self, classes: int) -> int:
        """Return 1, for one value per example."""
        del classes
        return 1

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the squared error: (B, 1), (B,) -> (B,)."""
        return (_wide(outputs).squeeze(1) - targets).square()

    def sums(self, outputs: Tensor, targets: Tensor, *, at_k: bool = False) -> Tensor:
        """Return (loss, absolute error)."""
        import torch

        del at_k
        loss = self.losses(outputs, targets)
        return torch.stack([loss.sum(), (outputs.squeeze(1).to(loss.dtype) - targets).abs().sum()])

    def blended(self, mixed: Mixed, outputs: Tensor) -> Tensor:
        """Return the weighted mean of both values: (B,)."""
        del outputs
        return mixed.targets * mixed.share + mixed.partners * (1 - mixed.share)

    def objective(self, outputs: Tensor, targets: Tensor, how: Objective) -> Tensor:
        """Return the sum of the squared errors. No other loss is available."""
        assert how.is_plain, "the configuration refuses it"
        return self.losses(outputs, targets).sum()

    def columns(self, sums: Sequence[float], examples: int) -> dict[str, Any]:
        """Return `loss` and `mae`."""
        loss, absolute = sums
        return {"loss": loss / examples, "mae": absolute / examples}

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Return whether `loss` and `mae` are numbers."""
        return _is_number(row.get("loss")) and _is_number(row.get("mae"))

    def drawn(self, count: int, *, classes: int, device: torch.device) -> Tensor:
        """Return values from -2 to 2: (count,) float32."""
        import torch

        del classes
        return torch.linspace(-2, 2, count, device=device)

    def guess_loss(self, classes: int) -> float | None:
        """Return None, since there is no uniform guess of a value."""
        del classes
        return None

    def metrics(self, labels: np.ndarray, outputs: np.ndarray, names: np.ndarray | None = None) -> dict[str, Any]:
        """Return n, RMSE, MAE and R2 with 95 % intervals, the MSE (also as `loss`), and the targets' mean and std.

        Intervals are percentiles over 2,000 resamplings of the examples. If several examples have one name, the
        examples of a name are resampled together. Intervals are None if all examples have one name. R2 = 1 - MSE /
        variance of these targets, or None if they are all equal. Units are the target's.
        """
        import numpy as np

        truth, found, n = labels.astype(np.float64), outputs[:, 0].astype(np.float64), len(labels)
        units = np.arange(n) if names is None else np.unique(names, return_inverse=True)[1]
        error, centred = found - truth, truth - truth.mean()
        per_row = np.stack([np.ones(n), error**2, np.abs(error), centred, centred**2], axis=1)  # (n, 5)
        per_unit = np.zeros((units.max() + 1, per_row.shape[1]))
        np.add.at(per_unit, units, per_row)
        rmse, mae, r2 = scoring.errors(per_unit.sum(0))
        spread = np.array([scoring.errors(drawn) for drawn in scoring.resampled(per_unit)])  # (2000, 3)
        low, high = np.percentile(spread, (2.5, 97.5), axis=0)
        result: dict[str, Any] = {"n": n, "mse": rmse**2, "loss": rmse**2, "target_mean": float(truth.mean())}
        result |= {"target_std": float(truth.std()), "resampled": "names" if len(per_unit) < n else "rows"}
        for place, (name, value) in enumerate({"rmse": rmse, "mae": mae, "r2": r2}.items()):
            known = len(per_unit) > 1 and np.isfinite([value, low[place], high[place]]).all()
            result |= {name: value if np.isfinite(value) else None}
            result |= {f"{name}_interval": [float(low[place]), float(high[place])] if known else None}
        return result


classes, values = Classes(), Values()
_TASKS: dict[str, Task] = {task.name: task for task in (classes, values)}


def of(name: str) -> Task:
    """Return the object of a configuration's `task`."""
    return _TASKS[name]


def of_header(header: Mapping[str, Any]) -> Task:
    """Return the task of a log by its header, which names every task except classification."""
    return _TASKS.get(header.get("task", classes.name), classes)


def _wide(outputs: Tensor) -> Tensor:
    import torch

    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


def is_count(value: Any) -> bool:
    """Return whether a value read from a log is a count. A bool is not."""
    return type(value) is int and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    """Return whether a value read from a log is a finite number."""
    return isinstance(value, (int, float)) and type(value) is not bool and abs(value) <= sys.float_info.max  # nor NaN
