"""Training losses against torch's and timm's, their sums over parts of a batch, and the loss of a guess."""

import itertools

import pytest
import torch
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from torch.nn import functional as F

from app import task
from app.computing.arithmetic import Arithmetic
from app.config.facts import dataset_facts
from app.config.run import resolve
from app.errors import InputError
from app.losses import LOSSES, PLAIN, Objective, summed
from app.place import Place
from app.tables.datasets import DATASETS
from app.task import Mixed

OUTPUTS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(12) % 5
SHARES = torch.rand(12, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
SHARES /= SHARES.sum(1, keepdim=True)
WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 0.25, 3.0])
DIGITS = dataset_facts(DATASETS["digits"])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_the_losses_of_classes_are_timm_s(smoothing):
    smoothed = summed(OUTPUTS, LABELS, Objective("cross_entropy", smoothing)) / 12
    torch.testing.assert_close(smoothed, LabelSmoothingCrossEntropy(smoothing)(OUTPUTS, LABELS))
    binary = summed(OUTPUTS, LABELS, Objective("bce", smoothing)) / 12
    torch.testing.assert_close(binary, BinaryCrossEntropy(smoothing=smoothing)(OUTPUTS, LABELS))


def test_the_losses_of_mixed_targets_are_timm_s():
    torch.testing.assert_close(summed(OUTPUTS, SHARES, PLAIN) / 12, SoftTargetCrossEntropy()(OUTPUTS, SHARES))
    binary = BinaryCrossEntropy(smoothing=0.0)(OUTPUTS, SHARES)
    torch.testing.assert_close(summed(OUTPUTS, SHARES, Objective("bce")) / 12, binary)
    smoothed = SoftTargetCrossEntropy()(OUTPUTS, SHARES * 0.9 + 0.1 / 5)  # on both labels, as timm's Mixup
    torch.testing.assert_close(summed(OUTPUTS, SHARES, Objective(smoothing=0.1)) / 12, smoothed)


def test_weights_and_smoothing_are_torch_s_together():
    for targets in (LABELS, SHARES):
        expected = F.cross_entropy(OUTPUTS, targets, WEIGHTS.double(), label_smoothing=0.2, reduction="sum")
        torch.testing.assert_close(summed(OUTPUTS, targets, Objective(smoothing=0.2, weights=WEIGHTS)), expected)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("loss", "smoothing"), [*itertools.product(LOSSES, [0.0, 0.1])])
def test_parts_of_a_batch_add_up_and_its_counts_stay(loss, smoothing, mixed):
    arithmetic = Arithmetic(
        place=Place(torch.device("cpu"), "fp32"), seed=0, task=task.classes, objective=Objective(loss, smoothing)
    )
    share = torch.linspace(0.1, 1, 12)
    targets = Mixed(LABELS, LABELS.flip(0), share) if mixed else LABELS
    whole = arithmetic.training_sums(OUTPUTS, targets)
    parts = [
        arithmetic.training_sums(
            OUTPUTS[part], Mixed(*(each[part] for each in targets)) if mixed else targets[part]
        ) for part in (slice(0, 5), slice(5, 6), slice(6, 12))
    ]  # fmt: skip
    torch.testing.assert_close(sum(parts), whole)
    assert whole[1] == (OUTPUTS.argmax(1) == LABELS).sum()


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_equal_probabilities_have_the_loss_of_a_guess(classes):
    labels, probability = torch.arange(classes), torch.tensor(1 / classes, dtype=torch.float64)
    for loss, logit in (("cross_entropy", torch.tensor(0.0)), ("bce", torch.logit(probability))):
        outputs = torch.full((classes, classes), float(logit), dtype=torch.float64)
        found = summed(outputs, labels, Objective(loss)) / classes
        assert float(found) == pytest.approx(Objective(loss).guess(classes))


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing=1.0 is out of range"),
        ({"loss": "mse"}, "unknown loss 'mse'"),
        ({"loss": "bce", "class_weights": "balanced"}, "weights the cross-entropy, not loss=bce"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(request_, says):
    with pytest.raises(InputError, match=says):
        resolve(request_, DIGITS)


@pytest.mark.parametrize("given", [{"label_smoothing": 0.1}, {"loss": "bce"}])
def test_a_regression_takes_no_loss_of_classes(given):
    with pytest.raises(InputError, match="has no effect on"):
        resolve({"model": "cnn", **given}, dataset_facts(DATASETS["nested_cylinder"]))


def test_defaults_name_the_run_without_them():
    assert resolve({"loss": "cross_entropy", "label_smoothing": 0}, DIGITS).run_id == resolve({}, DIGITS).run_id
