"""How a rank computes a step: dropout is drawn by seed, step and rank, so no two steps have one mask."""

import dataclasses

import numpy as np
import torch
from torch import nn

from app import loop as train
from app import task
from app.computing.arithmetic import Arithmetic
from app.losses import Objective
from app.models.drop_path import DropPath
from app.place import Place

HERE = Place(torch.device("cpu"), "fp32")


def drawn(step, *, seed=0, place=HERE):
    Arithmetic(place=place, seed=seed, task=task.classes).begin(step=step)
    return torch.rand(8).tolist()


def test_what_a_step_draws_depends_on_its_seed_its_step_and_its_rank():
    second = dataclasses.replace(HERE, rank=1, ranks=2)
    draws = [drawn(1), drawn(2), drawn(1, seed=1), drawn(1, place=second), drawn(2, place=second)]
    assert len(set(map(tuple, draws))) == 5
    assert drawn(2) == draws[1]


class Ones:
    """A split of equal examples."""

    def __len__(self):
        return 8

    def order(self, epoch, size=None):
        return np.arange(8)

    def paired(self, examples, epoch):
        return examples

    def expect(self, examples):
        pass

    def batch(self, examples, *, epoch=None):
        return torch.ones(len(examples), 16), torch.zeros(len(examples), dtype=torch.int64)


class Masked(nn.Module):
    """Keeps the masks of its dropout in training."""

    def __init__(self):
        super().__init__()
        self.dropout, self.head, self.masks = nn.Dropout(0.5), nn.Linear(16, 2), []

    def forward(self, x):
        dropped = self.dropout(x)
        if self.training:
            self.masks.append(tuple((dropped > 0).flatten().tolist()))
        return self.head(dropped)


def masks(first_step=1):
    """The masks of each step of the loop, from a step on."""
    model = Masked()
    schedule = train.Schedule(
        epochs=3, batch_size=4, val_batch_size=4, micro_batch_size=4, clip_norm=None, learning_rate=lambda step: 0.1,
        first_step=first_step,
    )  # fmt: skip
    train.fit(
        model, torch.optim.SGD(model.parameters(), lr=0.1), train=Ones(), val=Ones(), schedule=schedule,
        arithmetic=Arithmetic(place=HERE, seed=5, task=task.classes), observers=[],
    )  # fmt: skip
    return model.masks


def test_each_step_of_a_training_has_its_own_mask_wherever_it_resumed():
    whole = masks()
    assert len(whole) == 6 == len(set(whole))
    assert masks(first_step=4) == whole[3:]


WEIGHTS = torch.tensor([3.0, 0.5, 1.0], dtype=torch.float64)
LOGITS = torch.randn(30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(30) % 3
WEIGHED = Arithmetic(place=HERE, seed=0, task=task.classes, objective=Objective(weights=WEIGHTS))


def test_weights_of_classes_multiply_the_loss_of_each_example_and_no_count():
    found = WEIGHED.training_sums(LOGITS, LABELS)
    losses = nn.functional.cross_entropy(LOGITS, LABELS, reduction="none")
    torch.testing.assert_close(found[0], (WEIGHTS[LABELS] * losses).sum())
    assert torch.equal(found[1:], task.classes.sums(LOGITS, LABELS)[1:])
    plain = Arithmetic(place=HERE, seed=0, task=task.classes).training_sums(LOGITS, LABELS)
    assert torch.equal(plain, task.classes.sums(LOGITS, LABELS))


def test_mixed_targets_weigh_each_class_by_its_share():
    one_hot = nn.functional.one_hot(LABELS, 3).double()
    torch.testing.assert_close(WEIGHED.training_sums(LOGITS, one_hot)[0], WEIGHED.training_sums(LOGITS, LABELS)[0])
    shares = 0.7 * one_hot + 0.3 * one_hot.roll(1, 0)
    expected = -(WEIGHTS * shares * LOGITS.log_softmax(1)).sum()
    torch.testing.assert_close(WEIGHED.training_sums(LOGITS, shares)[0], expected)


def test_weighed_sums_add_up_over_parts_of_a_batch_and_are_float32_at_least():
    parts = sum(WEIGHED.training_sums(LOGITS[s : s + 7], LABELS[s : s + 7]) for s in range(0, 30, 7))
    torch.testing.assert_close(parts, WEIGHED.training_sums(LOGITS, LABELS), rtol=1e-12, atol=1e-12)
    assert WEIGHED.training_sums(LOGITS.bfloat16(), LABELS).dtype == torch.float32


def test_the_draws_of_stochastic_depth_follow_seed_and_step():
    def factors(seed, step):
        dropping = [DropPath(0.5)]
        arithmetic = Arithmetic(place=HERE, seed=seed, task=task.classes, dropping=dropping)
        arithmetic.begin(step=step)
        arithmetic.micro_batch(torch.nn.Identity(), np.arange(40), last=True)
        return tuple(dropping[0].factors.tolist())

    assert factors(1, 2) == factors(1, 2) and len({factors(1, 2), factors(1, 3), factors(2, 2)}) == 3
