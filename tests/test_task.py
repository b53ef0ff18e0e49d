"""Losses and counts equal torch's and scikit-learn's, and ties are decided by the class's number."""

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score
from torch.nn import functional as F

from app import task

LOGITS = torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(200) % 10


def test_losses_are_cross_entropy_per_example_in_float32_at_least():
    torch.testing.assert_close(task.losses(LOGITS, TARGETS).mean(), F.cross_entropy(LOGITS, TARGETS))
    assert task.losses(LOGITS.bfloat16(), TARGETS).dtype == torch.float32
    assert task.losses(LOGITS.double(), TARGETS).dtype == torch.float64


@pytest.mark.parametrize("k", [1, 2, 5, 10, 11])
def test_correct_at_k_is_scikit_learn_s(k):
    mine = task.correct_at(LOGITS, TARGETS, k).double().mean().item()
    theirs = top_k_accuracy_score(TARGETS, LOGITS, k=min(k, 10), labels=np.arange(10)) if k < 10 else 1.0
    assert mine == pytest.approx(theirs)


def test_of_equal_logits_the_lower_class_is_ahead():
    logits = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    assert task.correct_at(logits, torch.tensor([0, 1]), 1).tolist() == [True, False]
    assert torch.equal(logits.argmax(1), torch.zeros(2, dtype=torch.int64))


def test_sums_add_up_over_batches():
    parts = torch.stack([task.sums(LOGITS[s : s + 64], TARGETS[s : s + 64], at_k=True) for s in range(0, 200, 64)])
    whole = task.sums(LOGITS, TARGETS, at_k=True)
    torch.testing.assert_close(parts.sum(0), whole)
    assert whole[1] == (LOGITS.argmax(1) == TARGETS).sum() and len(task.sums(LOGITS, TARGETS)) == 2


def test_numbers_have_squared_errors_and_sums_of_both_errors():
    outputs, targets = torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([0.0, 2.5, -1.0])
    assert task.losses(outputs, targets).tolist() == [1.0, 0.25, 0.0]
    assert task.sums(outputs, targets).tolist() == [1.25, 1.5]
    assert torch.equal(task.sums(outputs, targets, at_k=True), task.sums(outputs, targets))
    assert task.losses(outputs.bfloat16(), targets).dtype == torch.float32


@pytest.mark.parametrize(("kind", "regression"), [("classification", False), ("regression", True)])
def test_drawn_targets_are_of_their_task(kind, regression):
    drawn = task.drawn(7, task=kind, classes=3, device=torch.device("cpu"))
    assert task.is_regression(drawn) is regression and len(drawn.unique()) == (7 if regression else 3)
