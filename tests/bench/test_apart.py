"""A contender in a process of its own."""

import math
from functools import partial

import pytest
import torch

from app.bench.apart import apart


def threads_times(factor):
    return lambda units: factor * units * torch.get_num_threads()


def failing():
    raise ValueError("no such kernel\nand more")


def test_a_contender_apart_gives_its_values_with_this_process_s_threads():
    run = apart(partial(threads_times, 0.5))
    assert run(3) == 1.5 * torch.get_num_threads() and run(4) == 2.0 * torch.get_num_threads()


def test_a_failure_apart_is_told_at_the_call_and_so_is_its_end():
    run = apart(failing)
    with pytest.raises(RuntimeError, match=r"^no such kernel$"):
        run(1)
    with pytest.raises(RuntimeError, match="its process ended"):
        run(1)
    assert math.isfinite(apart(partial(threads_times, 1.0))(1))
