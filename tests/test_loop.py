"""The loop's arithmetic: which examples, how many steps, and sums that are weighed by count."""

import contextlib
import copy

import numpy as np
import pytest
import torch
from torch import nn

from app import loop as train
from app import task


class Points:
    """A split of n points on a line."""

    def __init__(self, n):
        self.x = torch.arange(n, dtype=torch.float64)[:, None] / n

    def __len__(self):
        return len(self.x)

    def order(self, epoch, size=None):
        return (np.arange(size or len(self.x)) + epoch) % len(self.x)

    def paired(self, examples, epoch):
        return examples

    def expect(self, examples):
        pass

    def batch(self, examples, *, epoch=None):
        return self.x[examples], torch.from_numpy(np.asarray(examples) % 3)


class Part:
    """The arithmetic of one of several processes that compute a batch together."""

    task = task.classes

    def __init__(self, rank=0, ranks=1):
        self.rank, self.ranks = rank, ranks

    def begin(self, *, step):
        pass

    def share(self, examples):
        return np.array_split(examples, self.ranks)[self.rank]

    scaler = None

    def micro_batch(self, model, examples, *, last):
        return contextlib.nullcontext()

    def autocast(self):
        return contextlib.nullcontext()

    def training_sums(self, outputs, targets):
        return self.task.sums(outputs, targets)

    def total(self, sums):
        return sums

    def peak_bytes(self):
        return 7


def test_validation_batches_are_of_one_size_and_go_round_the_split():
    seen = np.concatenate([train.val_examples(step, 10, 4) for step in range(1, 6)])
    assert seen.tolist() == [*range(10), *range(10)]


def test_a_validation_split_smaller_than_its_batch_is_seen_whole_each_step():
    assert train.val_examples(7, 5, 128).tolist() == [0, 1, 2, 3, 4]


def test_the_last_batch_of_an_epoch_may_be_smaller_and_none_is_dropped():
    assert train.steps_per_epoch(10, 4) == 3 and train.steps_per_epoch(8, 4) == 2


def test_micro_batches_of_unequal_size_give_the_gradient_of_the_whole_batch():
    def updated(micro_batch_size):
        torch.manual_seed(0)
        model = nn.Linear(1, 3).double()
        schedule = train.Schedule(
            epochs=1, batch_size=10, val_batch_size=4, micro_batch_size=micro_batch_size, clip_norm=None,
            learning_rate=lambda step: 0.1,
        )  # fmt: skip
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        made = train.update(
            model, optimizer, Points(10), np.arange(10), epoch=0, lr=0.1, schedule=schedule, arithmetic=Part()
        )
        return made.sums, model.weight.detach()

    for got, expected in zip(updated(3), updated(10), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("examples", [10, 3, 1], ids=lambda n: f"{n} examples")
def test_the_gradients_of_all_ranks_sum_to_the_gradient_of_the_batch(examples):
    def computed(arithmetic):
        torch.manual_seed(0)
        model = nn.Linear(1, 3).double()
        kept = []
        model.weight.register_post_accumulate_grad_hook(lambda weight: kept.append(weight.grad.clone()))
        schedule = train.Schedule(
            epochs=1, batch_size=10, val_batch_size=4, micro_batch_size=10, clip_norm=None,
            learning_rate=lambda step: 0.1,
        )  # fmt: skip
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        made = train.update(
            model, optimizer, Points(10), np.arange(examples), epoch=0, lr=0.1, schedule=schedule, arithmetic=arithmetic
        )
        return made.sums, kept[-1]

    parts = [computed(Part(rank, 2)) for rank in range(2)]
    for total, whole in zip((sum(part) for part in zip(*parts, strict=True)), computed(Part()), strict=True):
        torch.testing.assert_close(total, whole, rtol=1e-12, atol=1e-12)


def test_clipping_bounds_the_step():
    model = nn.Linear(1, 3).double()
    before = model.weight.detach().clone()
    schedule = train.Schedule(
        epochs=1, batch_size=10, val_batch_size=4, micro_batch_size=10, clip_norm=1e-3,
        learning_rate=lambda step: 1.0,
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    train.update(model, optimizer, Points(10), np.arange(10), epoch=0, lr=1.0, schedule=schedule, arithmetic=Part())
    assert (model.weight - before).norm() <= 1e-3


def test_an_epoch_of_so_many_batches_ends_after_them_and_validates_on_so_many_wherever_it_begins():
    def told(first_step):
        model, events = nn.Linear(1, 3).double(), []
        schedule = train.Schedule(
            epochs=3, batch_size=4, val_batch_size=2, micro_batch_size=4, clip_norm=None,
            train_batches=5, val_batches=3, learning_rate=lambda step: 0.1, first_step=first_step,
        )  # fmt: skip
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        train.fit(
            model, optimizer, train=Points(10), val=Points(7), schedule=schedule, arithmetic=Part(),
            observers=[events.append],
        )  # fmt: skip
        return [event[:4] for event in events if isinstance(event, train.Batch)]

    rows = told(1)
    assert [row for row in rows if row[0] == "val_full"] == [("val_full", 5 * n, n, 6) for n in (1, 2, 3)]
    assert [row for row in rows if row[0] == "train"] == [("train", n, (n - 1) // 5 + 1, 4) for n in range(1, 16)]
    assert told(8) == [row for row in rows if row[1] >= 8]


def fitted(observers, *, optimizer=None, epochs=1, model=None, clip_norm=None):
    """Runs the loop over ten points in batches of four."""
    model = model or nn.Linear(1, 3).double()
    schedule = train.Schedule(
        epochs=epochs, batch_size=4, val_batch_size=2, micro_batch_size=4, clip_norm=clip_norm,
        learning_rate=lambda step: 0.1 * step,
    )  # fmt: skip
    train.fit(
        model, optimizer or torch.optim.SGD(model.parameters(), lr=0.0), train=Points(10), val=Points(4),
        schedule=schedule, arithmetic=Part(), observers=observers,
    )  # fmt: skip


def test_every_observer_is_called_with_every_event_in_the_list_s_order():
    seen = []
    fitted([lambda event: seen.append(("first", event)), lambda event: seen.append(("second", event))])
    assert [name for name, _ in seen] == ["first", "second"] * (len(seen) // 2)
    events = [event for name, event in seen if name == "first"]
    assert events == [event for name, event in seen if name == "second"]
    kinds = [type(event).__name__ + getattr(event, "split", "")[:5] for event in events]
    step = ["Batchtrain", "Batchval", "StepEnd"]
    assert kinds == [*step, *step, "Batchtrain", "Batchval", "Batchval_f", "EpochEnd", "StepEnd"]
    full = next(event for event in events if getattr(event, "split", "") == "val_full")
    assert full.peak_bytes == 7 and events[0].peak_bytes is None and events[0].waited > 0 == full.waited


def test_an_observer_sees_the_norm_of_the_gradients_before_they_are_clipped():
    def norms(clip_norm):
        seen, model = [], nn.Linear(1, 3).double()
        nn.init.ones_(model.weight), nn.init.zeros_(model.bias)
        frozen = torch.optim.SGD(model.parameters(), lr=0.0)
        for group in frozen.param_groups:
            group["lr_scale"] = 0.0
        fitted([seen.append], optimizer=frozen, model=model, clip_norm=clip_norm)
        return [event.grad_norm for event in seen if isinstance(event, train.Batch) and event.split == "train"]

    clipped, loose = norms(1e-3), norms(1e3)
    torch.testing.assert_close(clipped, loose, rtol=0, atol=0)
    assert min(clipped) > 1e-3 and norms(None) == [None] * 3


def test_a_group_s_learning_rate_is_the_step_s_times_its_factor():
    model, rates = nn.Linear(1, 3).double(), []
    groups = [{"params": [model.weight], "lr_scale": 0.5}, {"params": [model.bias]}]
    optimizer = torch.optim.SGD(groups, lr=0.0)

    def note(event):
        if isinstance(event, train.StepEnd):
            rates.append([group["lr"] for group in optimizer.param_groups])

    fitted([note], optimizer=optimizer, model=model)
    assert rates == [[0.1 * step * 0.5, 0.1 * step] for step in (1, 2, 3)]


def test_a_validation_pass_drops_nothing_and_leaves_running_statistics_alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 3), nn.BatchNorm1d(3)).double().train()
    before = copy.deepcopy(model.state_dict())
    one, two = (train.validate(model, Points(10), np.arange(10), arithmetic=Part()) for _ in range(2))
    assert torch.equal(one, two)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
