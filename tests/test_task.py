"""Losses and counts equal torch's and scikit-learn's, and ties are decided by the class's number."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score
from torch.nn import functional as F

from app import scoring, task

LOGITS = torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(200) % 10


def test_losses_are_cross_entropy_per_example_in_float32_at_least():
    torch.testing.assert_close(task.classes.losses(LOGITS, TARGETS).mean(), F.cross_entropy(LOGITS, TARGETS))
    assert task.classes.losses(LOGITS.bfloat16(), TARGETS).dtype == torch.float32
    assert task.classes.losses(LOGITS.double(), TARGETS).dtype == torch.float64


@pytest.mark.parametrize("k", [1, 2, 5, 10, 11])
def test_correct_at_k_is_scikit_learn_s(k):
    mine = scoring.correct_at(LOGITS, TARGETS, k).double().mean().item()
    theirs = top_k_accuracy_score(TARGETS, LOGITS, k=min(k, 10), labels=np.arange(10)) if k < 10 else 1.0
    assert mine == pytest.approx(theirs)


@pytest.mark.parametrize("classes", [2, 10, 12])
def test_balanced_accuracy_is_scikit_learn_s_where_classes_are_uneven_or_have_no_example(classes):
    truth = np.minimum(np.arange(200) % 17, 9) % classes
    logits = torch.randn(200, classes, generator=torch.Generator().manual_seed(1)).numpy()
    found = task.classes.metrics(truth, logits)["balanced_accuracy"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are predicted and have no example
        assert found == pytest.approx(balanced_accuracy_score(truth, logits.argmax(1)))


def test_of_equal_logits_the_lower_class_is_ahead():
    logits = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    assert scoring.correct_at(logits, torch.tensor([0, 1]), 1).tolist() == [True, False]
    assert torch.equal(logits.argmax(1), torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("where", ["own", "other", "all"])
@pytest.mark.parametrize("classes", [2, 4, 100])
def test_a_logit_that_is_not_a_number_is_never_correct_at_any_k(dtype, where, classes):
    logits, targets = torch.randn(classes, classes).to(dtype), torch.arange(classes)
    bad = targets if where == "own" else (targets + 1) % classes
    logits[targets, bad] = torch.nan
    if where == "all":
        logits[:] = torch.nan
    for k in (1, 3, 5, classes, classes + 1):
        assert not scoring.correct_at(logits, targets, k).any()
    assert task.classes.sums(logits, targets, at_k=True)[1:].tolist() == [0, 0, 0]
    found = task.classes.metrics(targets.numpy(), logits.float().numpy())
    rates = {name: found[name] for name in ("top1", "top3", "top5", "correct", "balanced_accuracy")}
    assert set(rates.values()) == {0} and set(found["per_class"]) == {0.0} and not np.sum(found["confusion"])


def test_one_example_that_is_not_a_number_takes_nothing_from_the_others():
    logits = LOGITS.clone()
    logits[3, 7] = torch.nan
    mine, whole = (scoring.correct_at(each, TARGETS, 5) for each in (logits, LOGITS))
    assert not mine[3] and torch.equal(mine[torch.arange(200) != 3], whole[torch.arange(200) != 3])


def test_infinite_logits_have_their_places():
    most = torch.inf
    logits = torch.tensor([[most, 0, 1], [-most, 0, 1], [most, most, 0], [-most, -most, -most], [-most, -most, 0]])
    first = [scoring.correct_at(logits, torch.full((5,), target), 1).tolist() for target in range(3)]
    assert first == [[True, False, True, True, False], [False] * 5, [False, True, False, False, True]]
    assert scoring.correct_at(logits, torch.tensor([2, 0, 1, 2, 1]), 2).tolist() == [True, False, True, False, False]


def test_the_log_counts_correct_at_1_3_and_5_after_a_full_pass():
    sums = task.classes.sums(LOGITS, TARGETS, at_k=True)
    columns = task.classes.columns(sums.tolist(), 200)
    wanted = [round(200 * top_k_accuracy_score(TARGETS, LOGITS, k=k, labels=np.arange(10))) for k in (1, 3, 5)]
    assert [columns[name] for name in ("correct", "correct_at_3", "correct_at_5")] == wanted
    assert list(columns) == ["loss", "correct", "correct_at_3", "correct_at_5"]
    assert list(task.classes.columns(task.classes.sums(LOGITS, TARGETS).tolist(), 200)) == ["loss", "correct"]
    assert task.classes.is_complete({name: columns[name] for name in ("loss", "correct", "correct_at_5")})  # earlier


def test_sums_add_up_over_batches():
    parts = torch.stack(
        [task.classes.sums(LOGITS[s : s + 64], TARGETS[s : s + 64], at_k=True) for s in range(0, 200, 64)]
    )
    whole = task.classes.sums(LOGITS, TARGETS, at_k=True)
    torch.testing.assert_close(parts.sum(0), whole)
    assert whole[1] == (LOGITS.argmax(1) == TARGETS).sum() and len(task.classes.sums(LOGITS, TARGETS)) == 2


def test_numbers_have_squared_errors_and_sums_of_both_errors():
    outputs, targets = torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([0.0, 2.5, -1.0])
    assert task.values.losses(outputs, targets).tolist() == [1.0, 0.25, 0.0]
    assert task.values.sums(outputs, targets).tolist() == [1.25, 1.5]
    assert torch.equal(task.values.sums(outputs, targets, at_k=True), task.values.sums(outputs, targets))
    assert task.values.losses(outputs.bfloat16(), targets).dtype == torch.float32


@pytest.mark.parametrize(("kind", "regression"), [("classification", False), ("regression", True)])
def test_drawn_targets_are_of_their_task(kind, regression):
    learned = task.of(kind)
    drawn = learned.drawn(7, classes=3, device=torch.device("cpu"))
    assert drawn.is_floating_point() is regression and len(drawn.unique()) == (7 if regression else 3)
    outputs = torch.zeros(7, learned.outputs(3))
    assert learned.losses(outputs, drawn).shape == (7,) and learned.outputs(3) == (1 if regression else 3)


def test_mixed_labels_weigh_the_loss_by_their_shares_and_count_by_the_largest():
    shares = torch.full((200, 10), 0.02).scatter_(1, TARGETS[:, None], 0.82)
    expected = -(shares * LOGITS.log_softmax(1)).sum(1)
    torch.testing.assert_close(task.classes.losses(LOGITS, shares), expected)
    sums = task.classes.sums(LOGITS, shares, at_k=True)
    assert torch.equal(sums[1:], task.classes.sums(LOGITS, TARGETS, at_k=True)[1:])
    one_hot = torch.nn.functional.one_hot(TARGETS, 10).float()
    torch.testing.assert_close(task.classes.losses(LOGITS, one_hot), task.classes.losses(LOGITS, TARGETS))


def test_a_log_s_header_names_every_task_but_classification():
    assert task.of_header({}) is task.classes and task.of_header({"task": "regression"}) is task.values
    assert task.classes.guess_loss(10) == pytest.approx(np.log(10)) and task.values.guess_loss(1) is None


def test_a_bootstrap_interval_covers_95_percent_of_the_resampled_errors():
    squares = np.random.default_rng(3).normal(size=400) ** 2  # of errors; the mean's own spread is known
    found = task.values.metrics(np.zeros(400, np.float32), np.sqrt(squares)[:, None])
    low, high = np.square(found["rmse_interval"])
    error = squares.std() / np.sqrt(400)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.06)  # 1.645 for 90 %
