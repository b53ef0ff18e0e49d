"""Metrics equal scikit-learn's; predictions are seen once, kept whole, and refused when damaged."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    top_k_accuracy_score,
)  # fmt: skip

from app import evaluation, task
from app.artifacts.predictions import Predictions
from app.errors import Damaged, Diverged
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


@pytest.mark.parametrize("k", [3, 5])
def test_top_3_and_top_5_are_scikit_learn_s_and_lie_in_their_intervals(k):
    found = evaluation.metrics(FOUND)
    assert found[f"top{k}"] == pytest.approx(top_k_accuracy_score(LABELS, FOUND.logits, k=k, labels=range(7)))
    low, high = found[f"top{k}_interval"]
    assert low < found[f"top{k}"] <= high <= 1
    assert evaluation.top_k(FOUND, 7) == {"top7": 1.0, "top7_interval": [pytest.approx(0.987, abs=1e-3), 1.0]}


TRUTH = DRAWN.normal(1.1, 0.5, 200).astype(np.float32)
NUMBERS = Predictions(
    np.arange(200) + 7, TRUTH, (TRUTH + DRAWN.normal(0.02, 0.1, 200).astype(np.float32))[:, None], task=task.values
)


def test_errors_are_scikit_learn_s_and_lie_in_their_intervals():
    found, guesses = evaluation.metrics(NUMBERS), NUMBERS.logits[:, 0]
    assert found["mse"] == found["loss"] == pytest.approx(mean_squared_error(TRUTH, guesses))
    assert found["rmse"] == pytest.approx(found["mse"] ** 0.5)
    assert found["mae"] == pytest.approx(mean_absolute_error(TRUTH, guesses))
    assert found["r2"] == pytest.approx(r2_score(TRUTH, guesses))
    assert found["target_std"] == pytest.approx(TRUTH.std()) and found["n"] == 200 and found["resampled"] == "rows"
    for name in ("rmse", "mae", "r2"):
        low, high = found[f"{name}_interval"]
        assert low < found[name] < high
    assert evaluation.metrics(NUMBERS) == found


def test_the_bootstrap_s_interval_is_scipy_s_within_its_own_noise():
    from scipy import stats

    squares = (NUMBERS.logits[:, 0].astype(float) - TRUTH) ** 2
    theirs = stats.bootstrap((squares,), lambda x, axis: np.sqrt(x.mean(axis)), method="percentile", rng=1)
    ours = evaluation.metrics(NUMBERS)["rmse_interval"]
    assert ours == pytest.approx(theirs.confidence_interval, rel=0.02)
    assert np.diff(ours) == pytest.approx(np.diff(theirs.confidence_interval), rel=0.08)  # of 90 %: 0.84 as wide


def test_frames_of_one_simulation_have_no_interval():
    found = evaluation.metrics(dataclasses.replace(NUMBERS, names=np.array(["a"] * len(NUMBERS.rows))))
    assert found["rmse"] > 0 and found["rmse_interval"] is None and found["mae_interval"] is None


def test_examples_of_one_name_are_resampled_together_so_that_copies_narrow_no_interval():
    twice = Predictions(
        np.arange(400),
        np.repeat(TRUTH, 2),
        np.repeat(NUMBERS.logits, 2, axis=0),
        np.repeat(np.arange(200), 2),
        task.values,
    )
    alone, together = evaluation.metrics(NUMBERS), evaluation.metrics(twice)
    assert together["rmse"] == pytest.approx(alone["rmse"]) and together["resampled"] == "names"
    assert together["rmse_interval"] == pytest.approx(alone["rmse_interval"])
    unnamed = evaluation.metrics(dataclasses.replace(twice, names=None))["rmse_interval"]
    assert np.diff(unnamed) < 0.8 * np.diff(together["rmse_interval"])


def test_targets_that_are_all_equal_have_no_r2():
    found = evaluation.metrics(
        Predictions(np.arange(3), np.full(3, 0.1, np.float32), np.ones((3, 1), np.float32), task=task.values)
    )
    assert found["r2"] is None and found["r2_interval"] is None and found["rmse"] == pytest.approx(0.9)


@pytest.mark.parametrize("names", [None, np.array([f"nc_id{i:04}" for i in range(200)])])
def test_numbers_come_back_from_parquet_with_their_names(tmp_path, names):
    dataclasses.replace(NUMBERS, names=names).save(tmp_path / "p.parquet")
    again = Predictions.load(tmp_path / "p.parquet")
    assert (
        again.task is task.values
        and np.array_equal(again.labels, TRUTH)
        and np.array_equal(again.logits, NUMBERS.logits)
    )
    assert again.names is None if names is None else again.names.tolist() == names.tolist()


@pytest.mark.parametrize(
    ("of", "value", "says"),
    [
        (FOUND, np.nan, "not numbers for 1 of 300 test examples"), (FOUND, np.inf, "the test loss is nan"),
        (NUMBERS, np.nan, "not numbers for 1 of 200"), (NUMBERS, np.inf, "the test loss is inf"),
        (NUMBERS, -np.inf, "the test loss is inf"),
    ],
)  # fmt: skip
def test_outputs_that_are_not_numbers_have_no_metrics_but_a_failure_of_the_kind_diverged(of, value, says):
    outputs = of.logits.copy()
    outputs[5, 0] = value
    with pytest.raises(Diverged, match=says) as failed:
        evaluation.metrics(dataclasses.replace(of, logits=outputs))
    assert failed.value.kind == "diverged" and "--lr" in str(failed.value)


def test_a_class_that_is_excluded_by_minus_infinity_is_no_divergence_unless_it_is_the_truth():
    outputs = FOUND.logits.copy()
    outputs[:, 6] = -np.inf  # which no example is of
    assert np.isfinite(evaluation.metrics(dataclasses.replace(FOUND, logits=outputs))["loss"])
    outputs[0, LABELS[0]] = -np.inf
    with pytest.raises(Diverged, match="the test loss is inf"):
        evaluation.metrics(dataclasses.replace(FOUND, logits=outputs))


def test_top_k_of_outputs_that_are_not_numbers_is_refused_too():
    outputs = FOUND.logits.copy()
    outputs[:] = np.nan
    with pytest.raises(Diverged, match="300 of 300"):
        evaluation.top_k(dataclasses.replace(FOUND, logits=outputs), 2)


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
    with pytest.raises(Damaged, match=r"p\.parquet are damaged.*evaluate --again"):
        Predictions.load(tmp_path / "p.parquet")


@pytest.mark.parametrize("rows", [FOUND.rows[:-1], np.append(FOUND.rows[:-1], 0), FOUND.rows + 1])
def test_predictions_of_other_rows_or_with_a_double_are_refused(rows):
    evaluation.require_same_rows(FOUND, FOUND.rows[::-1])
    with pytest.raises(Damaged, match=r"do not have each row of this test set once. Use `evaluate --again`"):
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
    found = evaluation.predict(torch.nn.Identity(), Split(), task=task.classes, batch_size=3, place=HERE)
    assert found.rows.tolist() == list(range(100, 107)) and found.logits[:, 0].tolist() == list(range(7))
    with pytest.raises(AssertionError, match="seen twice, not at all, or out of turn"):
        evaluation.predict(torch.nn.Identity(), Split(lost=5), task=task.classes, batch_size=3, place=HERE)


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
    whole = evaluation.predict(model, Split(), task=task.classes, batch_size=2, place=HERE)
    for rank in reversed(range(ranks)):
        place = Ranked(HERE.device, "fp32", rank, ranks, box=box)
        found = evaluation.predict(model, Split(), task=task.classes, batch_size=2, place=place)
        assert (found is None) == (rank > 0)
    assert np.array_equal(found.rows, whole.rows) and np.array_equal(found.labels, whole.labels)
    assert np.allclose(found.logits, whole.logits, atol=1e-6)


def test_dropout_is_off_and_no_gradient_is_kept():
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Dropout(0.9))
    one, other = (
        evaluation.predict(model, Split(), task=task.classes, batch_size=2, place=HERE).logits for _ in range(2)
    )
    assert np.array_equal(one, other) and not model.training
