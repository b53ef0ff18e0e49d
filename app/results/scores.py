"""The scores of one run's predictions: one number per test example, such that higher is better.

They are computed in float64 from the stored float32 logits, some rows at a time. torch is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..artifacts.predictions import Predictions
from ..statistics import influence, reliability
from .metrics import Metric

_AT_ONCE = 1 << 20  # logits in float64

Score = Callable[[Predictions], np.ndarray]
OfSome = Callable[[np.ndarray], float]  # of the examples with these numbers


def values_of(found: Predictions, metric: Metric, blocks: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the scores of a run, float64 (n,), and its result, the metric in its usual direction.

    The mean of the scores is the result, negated if lower is better. `blocks` (n,) are those of a jackknife. Raises
    ValueError where the metric is not finite.
    """
    if metric.blocks:
        of_some = _OF_SOME[metric.name](found)
        values = influence.jackknife_values(of_some, blocks)
        return metric.sign * values, of_some(np.arange(len(found.rows)))
    values = _EACH[metric.name](found)
    return metric.sign * values.astype(np.float64), float(values.mean(dtype=np.float64))


def correct(found: Predictions, k: int = 1) -> np.ndarray:
    """Return whether each label is among the k highest logits, bool (n,).

    Equal logits are in the order of their classes, as in `scoring.correct_at`.
    """
    if k == 1:
        return np.asarray(found.logits.argmax(1) == found.labels)
    own = np.take_along_axis(found.logits, found.labels[:, None], 1)
    before = np.arange(found.logits.shape[1]) < found.labels[:, None]
    ahead = (found.logits > own) | ((found.logits == own) & before)
    return np.asarray(ahead.sum(1) < k)


def squared_errors(found: Predictions) -> np.ndarray:
    """Return the squared error of each example of a regression, float64 (n,)."""
    return (found.logits[:, 0].astype(np.float64) - found.labels) ** 2


def _probabilities(found: Predictions) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the class probabilities of some rows at a time, float64 (rows, K)."""
    size = max(1, _AT_ONCE // found.logits.shape[1])
    for start in range(0, len(found.logits), size):
        part = slice(start, start + size)
        shares = found.logits[part].astype(np.float64)
        shares -= shares.max(1, keepdims=True)
        np.exp(shares, out=shares)
        shares /= shares.sum(1, keepdims=True)
        yield part, shares


def nll(found: Predictions) -> np.ndarray:
    """Return -log p of each label in nats."""
    values = np.empty(len(found.logits))
    size = max(1, _AT_ONCE // found.logits.shape[1])
    for start in range(0, len(values), size):
        part = slice(start, start + size)
        values[part] = reliability.nll(found.logits[part], found.labels[part])
    return values


def brier(found: Predictions) -> np.ndarray:
    """Return sum_c (p_c - 1[c is the label])^2 of each example, from 0 to 2."""
    values = np.empty(len(found.logits))
    for part, shares in _probabilities(found):
        own = np.take_along_axis(shares, found.labels[part, None], 1)[:, 0]
        values[part] = (shares**2).sum(1) - 2 * own + 1
    return values


def confidences(found: Predictions) -> np.ndarray:
    """Return the highest probability of each example."""
    values = np.empty(len(found.logits))
    for part, shares in _probabilities(found):
        values[part] = shares.max(1)
    return values


def _balanced_accuracy(found: Predictions) -> OfSome:
    labels, right, classes = found.labels, correct(found), found.logits.shape[1]

    def of_some(chosen: np.ndarray) -> float:
        counts = np.bincount(labels[chosen], minlength=classes)
        hits = np.bincount(labels[chosen], right[chosen], minlength=classes)
        return float((hits[counts > 0] / counts[counts > 0]).mean())

    return of_some


def _macro_f1(found: Predictions) -> OfSome:
    """Return the mean F1 of the classes that occur as a label or as a prediction, as scikit-learn has it."""
    labels, predicted, classes = found.labels, found.logits.argmax(1), found.logits.shape[1]

    def of_some(chosen: np.ndarray) -> float:
        truth, answers = labels[chosen], predicted[chosen]
        hits = np.bincount(truth[truth == answers], minlength=classes)
        both = np.bincount(truth, minlength=classes) + np.bincount(answers, minlength=classes)
        return float((2 * hits[both > 0] / both[both > 0]).mean())

    return of_some


def _of_confidence(found: Predictions, *, error: Callable[[np.ndarray, np.ndarray], float]) -> OfSome:
    """Return a calibration error of the top label's confidence."""
    confidence, right = confidences(found), correct(found)

    def of_some(chosen: np.ndarray) -> float:
        return error(confidence[chosen], right[chosen])

    return of_some


def _r2(found: Predictions) -> OfSome:
    squares, truth = squared_errors(found), found.labels.astype(np.float64)

    def of_some(chosen: np.ndarray) -> float:
        variance = truth[chosen].var()
        return float(1 - squares[chosen].mean() / variance) if variance > 0 else float("nan")

    return of_some


def _of_errors(found: Predictions, *, pseudo: Callable[[np.ndarray], Any]) -> np.ndarray:
    return np.asarray(pseudo(squared_errors(found)[None])[0])


def _absolute(found: Predictions) -> np.ndarray:
    return np.sqrt(squared_errors(found))


_EACH: dict[str, Score] = {
    "top1": correct, "top3": partial(correct, k=3), "top5": partial(correct, k=5), "nll": nll, "brier": brier,
    "rmse": partial(_of_errors, pseudo=influence.rmse_values),
    "log-mse": partial(_of_errors, pseudo=influence.log_mse_values), "mae": _absolute,
}  # fmt: skip
_OF_SOME: dict[str, Callable[[Predictions], OfSome]] = {
    "balanced-accuracy": _balanced_accuracy, "macro-f1": _macro_f1, "r2": _r2,
    "ece": partial(_of_confidence, error=reliability.ece),
    "ece-debiased": partial(_of_confidence, error=reliability.debiased),
}  # fmt: skip
