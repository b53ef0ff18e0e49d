"""Locks that are only looked at: who looks disturbs nobody."""

import multiprocessing
import time

import pytest

from app.errors import Held
from app.system import locks

FORK = multiprocessing.get_context("fork")


def test_a_lock_is_held_while_a_process_has_it_and_looking_makes_no_file(tmp_path):
    path = tmp_path / "x.lock"
    assert not locks.is_held(path) and not path.exists()
    with locks.lock(path, wait=False):
        assert locks.is_held(path) and path.exists()
    assert not locks.is_held(path)
    path.touch()  # as a killed process leaves it
    assert not locks.is_held(path) and path.exists()
    assert not locks.is_held(tmp_path) and not locks.is_held(tmp_path / "none" / "x.lock")


def _look(path, until):
    while time.monotonic() < until:
        locks.is_held(path)


def test_a_process_that_looks_all_the_time_keeps_nobody_from_a_lock(tmp_path):
    path = tmp_path / "x.lock"
    looking = FORK.Process(target=_look, args=(path, time.monotonic() + 0.5))
    looking.start()
    taken = 0
    while looking.is_alive():
        with locks.lock(path, wait=False):
            taken += 1
    looking.join()
    assert taken > 5


def test_a_lock_that_is_held_is_refused(tmp_path):
    path = tmp_path / "x.lock"
    with locks.lock(path, wait=False), pytest.raises(Held, match=r"x\.lock"), locks.lock(path, wait=False):
        pass
