"""Metrics of a model over a split: predictions for every example once, and the numbers that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from . import task
from .artifacts.predictions import Predictions
from .errors import InputError
from .place import Place

_RESAMPLINGS = 2000
_SAME = 1e-12  # of the targets' square: a variance below it is rounding


class TestSplit(Protocol):
    """What an evaluation needs of a split."""

    @property
    def rows(self) -> np.ndarray: ...

    # names: np.ndarray, str (n,), where its examples have any

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, examples: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]: ...


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
    return Predictions(split.rows[examples], labels, logits, getattr(split, "names", None))


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
    """The numbers of a test, those of a regression or of a classification."""
    return _of_numbers(predictions) if predictions.regression else _of_classes(predictions)


def top_k(predictions: Predictions, k: int) -> dict[str, Any]:
    """The share of examples whose class is among the k highest logits, with its 95 % Wilson interval."""
    from scipy import stats  # seconds to import, and only wanted at a run's end

    found = task.correct_at(torch.from_numpy(predictions.logits), torch.from_numpy(predictions.labels), k)
    correct, n = int(found.sum()), len(found)
    interval = stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return {f"top{k}": correct / n, f"top{k}_interval": [float(interval.low), float(interval.high)]}


def _of_classes(predictions: Predictions) -> dict[str, Any]:
    """n, top1, top3 and top5 with 95 % Wilson intervals, mean loss, accuracy per class, confusion (rows: truth).

    A class without test examples has an accuracy of None; rates are fractions.
    """
    logits, labels = torch.from_numpy(predictions.logits), torch.from_numpy(predictions.labels)
    n, classes = logits.shape
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (predictions.labels, predictions.logits.argmax(1)), 1)
    counts = confusion.sum(1)
    rates = {name: value for k in task.TOPS for name, value in top_k(predictions, k).items()}
    return {
        "n": n,
        **rates,
        "loss": float(task.losses(logits.double(), labels).mean()),
        "correct": int(task.correct_at(logits, labels, 1).sum()),
        "per_class": [int(confusion[c, c]) / int(counts[c]) if counts[c] else None for c in range(classes)],
        "confusion": confusion.tolist(),
    }


def _of_numbers(predictions: Predictions) -> dict[str, Any]:
    """n, RMSE, MAE and R2 with 95 % intervals, the MSE (also as `loss`), the targets' mean and standard deviation.

    Intervals are percentiles over 2,000 resamplings of the examples, of all of one name together where several have
    one; None where all are of one. R2 = 1 - MSE / variance of these targets; None where they are all equal. Units are
    the target's.
    """
    truth, found = predictions.labels.astype(np.float64), predictions.logits[:, 0].astype(np.float64)
    n, names = len(truth), predictions.names
    units = np.arange(n) if names is None else np.unique(names, return_inverse=True)[1]
    error, centred = found - truth, truth - truth.mean()
    per_row = np.stack([np.ones(n), error**2, np.abs(error), centred, centred**2], axis=1)  # (n, 5)
    per_unit = np.zeros((units.max() + 1, per_row.shape[1]))
    np.add.at(per_unit, units, per_row)
    rmse, mae, r2 = _errors(per_unit.sum(0))
    spread = np.array([_errors(drawn) for drawn in _resampled(per_unit)])  # (2000, 3)
    low, high = np.percentile(spread, (2.5, 97.5), axis=0)
    result: dict[str, Any] = {"n": n, "mse": rmse**2, "loss": rmse**2, "target_mean": float(truth.mean())}
    result |= {"target_std": float(truth.std()), "resampled": "names" if len(per_unit) < n else "rows"}
    for place, (name, value) in enumerate({"rmse": rmse, "mae": mae, "r2": r2}.items()):
        known = len(per_unit) > 1 and np.isfinite([value, low[place], high[place]]).all()
        result |= {name: value if np.isfinite(value) else None}
        result |= {f"{name}_interval": [float(low[place]), float(high[place])] if known else None}
    return result


def _errors(summed: np.ndarray) -> tuple[float, float, float]:
    """RMSE, MAE and R2 of sums over rows: (1, squared error, absolute error, centred target, its square)."""
    n, squared, absolute, target, square = summed
    variance = square / n - (target / n) ** 2
    r2 = 1 - squared / n / variance if variance > _SAME * (square / n or 1) else float("nan")
    return float(np.sqrt(squared / n)), float(absolute / n), float(r2)


def _resampled(per_unit: np.ndarray) -> Iterator[np.ndarray]:
    """Sums over as many units, drawn with replacement, 2,000 times from a fixed seed; each (5,)."""
    random = np.random.default_rng(0)
    for _ in range(_RESAMPLINGS):
        yield per_unit[random.integers(len(per_unit), size=len(per_unit))].sum(0)
