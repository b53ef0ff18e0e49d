"""A contender in a process of its own."""

import math
import os
import signal
from functools import partial

import pytest
import torch

from app.bench.apart import Apart


def threads_times(factor):
    return lambda units: factor * units * torch.get_num_threads()


def failing():
    raise ValueError("no such kernel\nand more")


def too_large():
    raise MemoryError("a batch of 1 GB")


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


class InterruptedAtItsStart:
    """Is sent Ctrl-C where its process reads it, before `_serve` runs, as one that still imports torch is."""

    def __reduce__(self):
        return _interrupted_here, (os.getpid(),)


def _interrupted_here(parent):
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGINT)
    return partial(threads_times, 1.0)


def filling():
    block = bytearray(300_000_000)
    return lambda units: float(len(block))


def test_a_contender_apart_gives_its_values_with_this_process_s_threads():
    apart = Apart(partial(threads_times, 0.5))
    run = apart.prepare()
    assert run(3) == 1.5 * torch.get_num_threads() and run(4) == 2.0 * torch.get_num_threads()


@pytest.mark.slow
def test_a_failure_apart_is_told_at_the_call_and_so_is_its_end():
    run = Apart(failing).prepare()
    with pytest.raises(RuntimeError, match=r"^no such kernel$"):
        run(1)
    with pytest.raises(RuntimeError, match="its process ended"):
        run(1)
    assert math.isfinite(Apart(partial(threads_times, 1.0)).prepare()(1))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [(too_large, "a batch of 1 GB"), pytest.param(killed, "its process was killed", marks=pytest.mark.slow)],
)
def test_what_does_not_fit_apart_is_told_as_such(make, sentence):
    with pytest.raises(MemoryError, match=sentence):
        Apart(make).prepare()(1)


@pytest.mark.slow
def test_the_memory_of_a_contender_apart_is_its_own_process_s():
    block = bytearray(300_000_000)  # of this process, not of that one
    small, large = Apart(partial(threads_times, 1.0)), Apart(filling)
    for apart in (small, large):
        apart.prepare()(1)
    assert small.peak_bytes() + 250e6 < large.peak_bytes() and block


@pytest.mark.slow
def test_ctrl_c_while_a_contender_apart_starts_ends_nothing_but_what_asked_for_it():
    assert math.isfinite(Apart(InterruptedAtItsStart()).prepare()(1))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.SIGINT not in before
