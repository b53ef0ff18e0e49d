"""Items that are read ahead in a thread."""

import os
import sys
import threading
import time

import pytest

from app.data.splits.prefetch import Prefetch


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def until(true):
    """Waits for what another thread does, for a while."""
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def counted(n, seen):
    for item in range(n):
        seen.append(item)
        yield item


def test_items_come_in_their_order_and_end_for_good():
    items = Prefetch(iter(range(5)), 2)
    assert list(items) == list(range(5)) and list(items) == []


def test_no_more_items_are_read_ahead_than_were_asked_for():
    seen = []
    items = Prefetch(counted(100, seen), 3)
    assert until(lambda: len(seen) == 4)  # three wait, one is in hand
    time.sleep(0.3)
    assert len(seen) == 4
    assert next(items) == 0 and until(lambda: len(seen) == 5)


def test_what_the_items_raise_is_raised_in_its_place_each_time():
    def failing():
        yield 1
        raise ValueError("gone")

    items = Prefetch(failing(), 5)
    assert next(items) == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="gone"):
            next(items)


def test_the_thread_ends_when_nobody_takes_any_more():
    before = len(readers())
    items = Prefetch(iter(range(1000)), 1)
    assert next(items) == 0 and len(readers()) == before + 1
    del items
    assert until(lambda: len(readers()) == before)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_what_is_read_ahead_is_read_where_the_others_leave_the_processor():
    def priorities():
        yield os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert next(Prefetch(priorities(), 1)) == 10 and os.getpriority(os.PRIO_PROCESS, 0) == before
