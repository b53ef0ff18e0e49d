"""Rows gathered before they are asked for: the same rows, whatever was expected."""

import threading

import numpy as np
import torch

from app.data.ahead import Ahead
from app.data.split import Split

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
    shape = {"side": 6, "mean": torch.full((3,), 0.5), "std": torch.ones(3), "send": lambda tensor: tensor}
    shape |= {"images": IMAGES, "labels": torch.arange(40), "members": np.arange(4, 40), "rows": np.arange(4, 40)}
    near, far = (Split(**shape, augment="randaugment", ahead=ahead) for ahead in (None, Ahead(IMAGES, Staging())))
    order = near.order(0)
    for start in range(0, 36, 8):
        examples = order[start : start + 8]
        for one, other in zip(near.batch(examples, epoch=0), far.batch(examples, epoch=0), strict=True):
            assert torch.equal(one, other)
        far.expect(order[start + 8 : start + 16])
