"""Metrics equal scikit-learn's; predictions are seen once, kept whole, and refused when damaged."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from app import evaluation
from app.errors import InputError
from app.evaluation import Predictions

DRAWN = np.random.default_rng(0)
LABELS = DRAWN.integers(0, 6, 300)
FOUND = Predictions(np.arange(300) * 2, LABELS, (np.eye(7)[LABELS] + DRAWN.normal(size=(300, 7))).astype(np.float32))


def test_metrics_are_scikit_learn_s():
    found, guesses = evaluation.metrics(FOUND), FOUND.logits.argmax(1)
    assert found["n"] == 300 and found["correct"] == round(found["top1"] * 300)
    assert found["top1"] == pytest.approx(accuracy_score(LABELS, guesses))
    assert found["confusion"] == confusion_matrix(LABELS, guesses, labels=range(7)).tolist()
    chances = torch.from_numpy(FOUND.logits).double().softmax(1).numpy()
    assert found["loss"] == pytest.approx(log_loss(LABELS, chances, labels=range(7)))
    assert found["per_class"][0] == pytest.approx(np.mean(guesses[LABELS == 0] == 0))


def test_a_class_without_test_examples_has_no_accuracy():
    assert evaluation.metrics(FOUND)["per_class"][6] is None


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (7, 10), (10, 10), (309, 359)])
def test_the_interval_is_wilson_s(correct, n):
    logits = np.zeros((n, 2), np.float32)
    logits[:, 1] = np.where(np.arange(n) < correct, 1, -1)
    low, high = evaluation.metrics(Predictions(np.arange(n), np.ones(n, np.int64), logits))["top1_interval"]
    z, p = 1.959963984540054, correct / n
    middle, half = (p + z * z / 2 / n), z * np.sqrt(p * (1 - p) / n + (z / 2 / n) ** 2)
    expected = [(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)]
    assert [low, high] == pytest.approx(np.clip(expected, 0, 1), abs=1e-12)


def test_predictions_come_back_from_parquet_as_they_were(tmp_path):
    FOUND.save(tmp_path / "p.parquet")
    again = Predictions.load(tmp_path / "p.parquet")
    for name in ("rows", "labels", "logits"):
        one, other = getattr(FOUND, name), getattr(again, name)
        assert np.array_equal(one, other) and one.dtype == other.dtype


@pytest.mark.parametrize("kept", [0, 10, 1000, -4])
def test_truncated_predictions_are_named_with_the_mending_command(tmp_path, kept):
    FOUND.save(tmp_path / "p.parquet")
    (tmp_path / "p.parquet").write_bytes((tmp_path / "p.parquet").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"p\.parquet are damaged; evaluate with --again"):
        Predictions.load(tmp_path / "p.parquet")


@pytest.mark.parametrize("rows", [FOUND.rows[:-1], np.append(FOUND.rows[:-1], 0), FOUND.rows + 1])
def test_predictions_of_other_rows_or_with_a_double_are_refused(rows):
    evaluation.require_same_rows(FOUND, FOUND.rows[::-1])
    with pytest.raises(InputError, match="not of this test set, each row once; evaluate with --again"):
        evaluation.require_same_rows(FOUND, rows)


class Split:
    """Seven examples whose input is their number."""

    rows = np.arange(7) + 100

    def __init__(self, order=range(7)):
        self.order = np.array(order)

    def __len__(self):
        return 7

    def batches(self, batch_size):
        for start in range(0, len(self.order), batch_size):
            examples = self.order[start : start + batch_size]
            yield examples, torch.from_numpy(examples).float()[:, None], torch.from_numpy(examples)


def test_every_example_is_predicted_once_beside_its_published_row():
    found = evaluation.predict(torch.nn.Identity(), Split(), batch_size=3, autocast=nullcontext)
    assert found.rows.tolist() == list(range(100, 107)) and found.logits[:, 0].tolist() == list(range(7))
    for wrong in ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 5]):
        with pytest.raises(AssertionError, match="seen twice or not at all"):
            evaluation.predict(torch.nn.Identity(), Split(wrong), batch_size=3, autocast=nullcontext)


def test_dropout_is_off_and_no_gradient_is_kept():
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Dropout(0.9))
    one, other = (evaluation.predict(model, Split(), batch_size=2, autocast=nullcontext).logits for _ in range(2))
    assert np.array_equal(one, other) and not model.training
