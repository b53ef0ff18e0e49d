"""Scores of predictions: equal to scikit-learn's, to loops and to the run's own metrics, higher is better."""

import numpy as np
import pytest
from sklearn import metrics as sk

from app import task
from app.artifacts.predictions import Predictions
from app.errors import InputError
from app.results import scores
from app.results.metrics import METRICS, metric_of
from app.statistics import influence

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 2, (600, 7)).astype(np.float32)
LABELS = np.where(RANDOM.random(600) < 0.5, LOGITS.argmax(1), RANDOM.integers(0, 7, 600))
CLASSES = Predictions(np.arange(600), LABELS, LOGITS)
TRUTH = RANDOM.normal(1, 0.5, 300).astype(np.float32)
VALUES = Predictions(np.arange(300), TRUTH, (TRUTH + RANDOM.normal(0, 0.2, 300)).astype(np.float32)[:, None],
                     task=task.values)  # fmt: skip
SHARES = np.exp(LOGITS.astype(float)) / np.exp(LOGITS.astype(float)).sum(1, keepdims=True)


def result(name, found=CLASSES):
    values, its = scores.values_of(found, METRICS[name], influence.blocks_of(len(found.rows)))
    assert METRICS[name].sign * values.mean() == pytest.approx(its, rel=1e-12)
    return its


def test_rates_equal_those_of_the_runs_test():
    told = task.classes.metrics(LABELS, LOGITS)
    assert [result(f"top{k}") for k in (1, 3, 5)] == [pytest.approx(told[f"top{k}"], abs=1e-12) for k in (1, 3, 5)]
    assert result("balanced-accuracy") == pytest.approx(told["balanced_accuracy"], abs=1e-12)
    assert result("nll") == pytest.approx(told["loss"], abs=1e-12)


def test_proper_scores_macro_f1_and_the_calibration_error_equal_other_libraries():
    assert result("nll") == pytest.approx(sk.log_loss(LABELS, SHARES), abs=1e-9)
    assert result("brier") == pytest.approx(((SHARES - np.eye(7)[LABELS]) ** 2).sum(1).mean(), abs=1e-12)
    assert result("macro-f1") == pytest.approx(sk.f1_score(LABELS, LOGITS.argmax(1), average="macro"), abs=1e-12)
    top, right, expected = SHARES.max(1), LOGITS.argmax(1) == LABELS, 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (top > low) & (top <= high)
        expected += abs(right[inside].sum() - top[inside].sum()) / 600
    assert result("ece") == pytest.approx(expected, abs=1e-12)


def test_errors_equal_those_of_the_runs_test():
    told = task.values.metrics(TRUTH, VALUES.logits)
    for name in ("rmse", "mae", "r2"):
        assert result(name, VALUES) == pytest.approx(told[name], rel=1e-12)
    assert result("log-mse", VALUES) == pytest.approx(np.log(told["mse"]), abs=1e-12)


def test_a_metric_of_which_lower_is_better_is_negated():
    for name, metric in METRICS.items():
        if metric.corrupted:  # of another file than the predictions
            continue
        found = CLASSES if metric.task == "classification" else VALUES
        values, its = scores.values_of(found, metric, influence.blocks_of(len(found.rows)))
        assert values.mean() == pytest.approx(its if metric.higher else -its), name


def test_equal_logits_are_in_the_order_of_their_classes():
    ties = Predictions(np.arange(3), np.array([0, 1, 2]), np.zeros((3, 3), np.float32))
    assert scores.correct(ties).tolist() == [True, False, False]
    assert scores.correct(ties, 2).tolist() == [True, True, False]


def test_many_rows_are_computed_some_at_a_time_with_the_same_result(monkeypatch):
    whole = [scores.values_of(CLASSES, METRICS[name], np.arange(600))[0] for name in ("nll", "brier")]
    monkeypatch.setattr(scores, "_AT_ONCE", 70)
    parts = [scores.values_of(CLASSES, METRICS[name], np.arange(600))[0] for name in ("nll", "brier")]
    assert all(np.array_equal(one, other) for one, other in zip(whole, parts, strict=True))


def test_metrics_of_another_task_unknown_ones_and_useless_ones_are_refused():
    assert metric_of(None, task_name="regression", classes=1).name == "rmse"
    with pytest.raises(InputError, match=r"--metric rmse is for a regression.*Use one of top1"):
        metric_of("rmse", task_name="classification", classes=10)
    with pytest.raises(InputError, match=r"unknown --metric 'top2'"):
        metric_of("top2", task_name="classification", classes=10)
    with pytest.raises(InputError, match=r"with 4 classes. Use --metric top1"):
        metric_of("top5", task_name="classification", classes=4)
