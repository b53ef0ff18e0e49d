"""Rows gathered before they are asked for: the same rows, whatever was expected."""

import contextlib
import threading

import numpy as np
import pytest
import torch
from torch import nn

from app import data, task
from app import loop as train
from app.data.splits.ahead import Ahead
from app.data.splits.resident import Split
from app.data.transforms import chain

from .reading import Reading

IMAGES = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(40, 3, 4, 4).contiguous()


class Staging:
    """Host memory that remembers by which thread it was asked for."""

    def __init__(self):
        self.threads = []

    def __call__(self, shape, dtype):
        self.threads.append(threading.current_thread())
        return torch.empty(*shape, dtype=dtype)


def rows(*numbers):
    return np.array(numbers, dtype=np.int64)


def test_what_is_expected_is_gathered_by_another_thread_and_the_rest_by_this_one():
    staging = Staging()
    ahead = Ahead(IMAGES, staging)
    ahead.expect(rows(3, 1, 39))
    assert torch.equal(ahead.rows(rows(3, 1, 39)), IMAGES[[3, 1, 39]])
    assert torch.equal(ahead.rows(rows(3, 1, 39)), IMAGES[[3, 1, 39]])
    assert [thread is threading.main_thread() for thread in staging.threads] == [False, True]


def test_where_no_thread_can_start_rows_are_read_when_they_are_asked_for(monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    staging = Staging()
    ahead = Ahead(IMAGES, staging)
    for at in (rows(3, 1, 39), rows(4), rows(5, 6)):
        ahead.expect(at)
        assert torch.equal(ahead.rows(at), IMAGES[at])
    assert [thread is threading.main_thread() for thread in staging.threads] == [True] * 3


def test_a_wrong_expectation_changes_no_row():
    ahead = Ahead(IMAGES, Staging())
    for expected, asked in ((rows(1, 2), rows(2, 1)), (rows(5), rows(6, 7)), (rows(8, 9), rows(8, 9))):
        ahead.expect(expected)
        assert torch.equal(ahead.rows(asked), IMAGES[asked])


def test_no_batch_is_overwritten_by_the_next():
    ahead = Ahead(IMAGES, Staging())
    kept = []
    for first in range(0, 36, 2):
        kept.append(ahead.rows(rows(first, first + 1)))
        ahead.expect(rows(first + 2, first + 3))
    assert [int(batch[0, 0, 0, 0]) for batch in kept] == list(range(0, 36, 2))


def test_a_split_gives_the_same_batches_from_host_memory_as_from_the_device():
    way = chain.of_images("randaugment", stored=4, side=6, mean=torch.full((3,), 0.5), std=torch.ones(3))
    shape = {"transforms": way, "send": lambda tensor: tensor}
    shape |= {"images": IMAGES, "labels": torch.arange(40), "members": np.arange(4, 40), "rows": np.arange(4, 40)}
    near, far = (Split(**shape, ahead=ahead) for ahead in (None, Ahead(IMAGES, Staging())))
    order = near.order(0)
    for start in range(0, 36, 8):
        examples = order[start : start + 8]
        for one, other in zip(near.batch(examples, epoch=0), far.batch(examples, epoch=0), strict=True):
            assert torch.equal(one, other)
        far.expect(order[start + 8 : start + 16])


class Apart(Staging):
    """A place whose device holds no images, nor computes: `meta`. It counts what is sent there."""

    device = torch.device("meta")

    def __init__(self):
        super().__init__()
        self.batches = 0
        self.staging = self

    def hold(self, array):
        return torch.from_numpy(array), "mapped"

    def send(self, tensor):
        self.batches += tensor.dtype == torch.uint8
        return tensor.to(self.device)


class Noting:
    """The arithmetic of one of several processes, and an observer that notes what the loop passes."""

    task = task.classes

    def __init__(self, rank, ranks):
        self.rank, self.ranks, self.rows, self.steps = rank, ranks, [], []

    def begin(self, *, step):
        self.steps.append(step)

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
        return 0

    def __call__(self, event):
        if isinstance(event, train.Batch):
            self.rows.append(event.split)


@pytest.mark.parametrize(
    ("rank", "ranks", "first_step"), [(0, 1, 1), (0, 1, 3), (2, 3, 1)], ids=["alone", "continued", "an empty share"]
)
def test_in_a_run_every_batch_but_the_first_is_gathered_ahead_and_none_in_vain(cache_folder, rank, ranks, first_step):
    reading, place, hooks = Reading("digits", limit_train=97, limit_val=40), Apart(), Noting(rank, ranks)
    splits = data.splits(reading.config, place, reading.cached, lambda _: None)
    schedule = train.Schedule(
        epochs=3, batch_size=32, val_batch_size=16, micro_batch_size=8, clip_norm=1.0, learning_rate=lambda _: 0.1,
        first_step=first_step,
    )  # fmt: skip  # 4 steps an epoch, the last of one example
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).to(place.device)
    train.fit(
        model, torch.optim.SGD(model.parameters()), train=splits.train, val=splits.val, schedule=schedule,
        arithmetic=hooks,
        observers=[hooks],
    )  # fmt: skip
    assert hooks.steps == [*range(first_step, 13)] and hooks.rows.count("val_full") == 3
    at_once = [number for number, thread in enumerate(place.threads) if thread is threading.main_thread()]
    assert len(place.threads) == place.batches > 3 * len(hooks.steps) - 3  # each gathered once
    assert len(at_once) == 1 and at_once[0] < 2  # beside the first validation batch, which another thread gathers


def test_all_batches_of_a_test_split_but_the_first_are_gathered_ahead(cache_folder):
    reading, place = Reading("digits", limit_test=60), Apart()
    splits = data.splits(reading.config, place, reading.cached, lambda _: None)
    assert [len(examples) for examples, *_ in splits.test.batches(16)] == [16, 16, 16, 12]
    assert [thread is threading.main_thread() for thread in place.threads] == [True, False, False, False]
