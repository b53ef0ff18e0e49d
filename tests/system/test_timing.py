"""Times of calls back to back, by events of a device that exists only in name, and by the host's clock."""

import pytest
import torch

from app.system import timing
from app.system.timing import elapsed, median_seconds

CPU, CUDA, MPS = (torch.device(kind) for kind in ("cpu", "cuda", "mps"))


class Clock:
    """A device on which each call takes `call` seconds, the first `first`, and the host a microsecond to start it."""

    def __init__(self, call, first=0.0):
        self.device, self.host, self.calls, self.waits = 0.0, 0.0, 0, 0
        self.call, self.first = call, first

    def work(self):
        self.calls += 1
        self.host += 1e-6
        self.device = max(self.device, self.host) + (self.first if self.calls == 1 else self.call)

    def wait(self, *_):
        self.waits += 1
        self.host = max(self.host, self.device)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(call=0.002, first=9.0)

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self):
            self.at = max(clock.device, clock.host)

        def synchronize(self):
            clock.wait()

        def elapsed_time(self, after):
            return 1000 * (after.at - self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(timing.devices, "wait", clock.wait)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.host)
    return clock


@pytest.mark.parametrize("device", [CUDA, MPS], ids=str)
def test_a_call_s_time_is_that_of_calls_without_a_wait_between_them(clock, device):
    clock.work()
    assert elapsed(clock.work, device, 10) == pytest.approx(0.002, rel=0.01)
    assert clock.waits == (1 if device == CUDA else 2)


def test_windows_are_filled_and_the_first_call_does_not_count(clock):
    assert median_seconds(clock.work, CUDA, window=0.05, windows=3) == pytest.approx(0.002, rel=0.01)
    assert 1 + 3 * 25 <= clock.calls <= 1 + 1 + 10 + 4 * 30


def test_a_window_of_no_length_is_one_call(clock):
    median_seconds(clock.work, MPS, window=0.0, windows=3)
    assert clock.calls == 4


def test_a_call_of_no_length_ends_too(clock):
    clock.call = clock.first = -1e-6  # the device is always ready
    median_seconds(clock.work, CPU, windows=1)
    assert clock.calls < 30_000
