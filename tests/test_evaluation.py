"""Metrics equal scikit-learn's; predictions are seen once, kept whole, and refused when damaged."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from app import evaluation
from app.errors import InputError
from app.evaluation import Predictions
from app.place import Place

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


HERE = Place(torch.device("cpu"), "fp32")


class Split:
    """Seven examples whose input is their number; `lost` is not given, in place of another."""

    rows = np.arange(7) + 100

    def __init__(self, lost=None):
        self.lost = lost

    def __len__(self):
        return 7

    def batches(self, batch_size, examples):
        given = examples if self.lost is None else np.where(examples == self.lost, 0, examples)
        for start in range(0, len(given), batch_size):
            examples = given[start : start + batch_size]
            yield examples, torch.from_numpy(examples).float()[:, None], torch.from_numpy(examples)


def test_every_example_is_predicted_once_beside_its_published_row():
    found = evaluation.predict(torch.nn.Identity(), Split(), batch_size=3, place=HERE)
    assert found.rows.tolist() == list(range(100, 107)) and found.logits[:, 0].tolist() == list(range(7))
    with pytest.raises(AssertionError, match="seen twice, not at all, or out of turn"):
        evaluation.predict(torch.nn.Identity(), Split(lost=5), batch_size=3, place=HERE)


@dataclasses.dataclass(frozen=True)
class Ranked(Place):
    """A rank whose tensors lie in a box until the first, which comes last, takes them."""

    box: dict = dataclasses.field(default_factory=dict)

    def gather(self, part):
        if self.rank:
            self.box.setdefault(self.rank, []).append(part)
            return None
        return torch.cat([part, *(self.box[rank].pop(0) for rank in sorted(self.box))])


@pytest.mark.parametrize("ranks", [2, 3, 9])
def test_ranks_predict_a_share_each_and_the_first_has_all_in_the_order_of_one(ranks):
    model, box = torch.nn.Linear(1, 3), {}
    whole = evaluation.predict(model, Split(), batch_size=2, place=HERE)
    for rank in reversed(range(ranks)):
        place = Ranked(HERE.device, "fp32", rank, ranks, box=box)
        found = evaluation.predict(model, Split(), batch_size=2, place=place)
        assert (found is None) == (rank > 0)
    assert np.array_equal(found.rows, whole.rows) and np.array_equal(found.labels, whole.labels)
    assert np.allclose(found.logits, whole.logits, atol=1e-6)


def test_dropout_is_off_and_no_gradient_is_kept():
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Dropout(0.9))
    one, other = (evaluation.predict(model, Split(), batch_size=2, place=HERE).logits for _ in range(2))
    assert np.array_equal(one, other) and not model.training
