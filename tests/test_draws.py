"""Draws by key: splitmix64 to the bit, alike in numpy and torch, even and unrelated between keys."""

import numpy as np
import pytest
import torch
from scipy import stats

from app import draws

INDICES = np.arange(100_000, dtype=np.int64)


def splitmix64(seed, n):
    """The published generator, in Python's integers."""
    word, out = seed, []
    for _ in range(n):
        word = (word + 0x9E3779B97F4A7C15) % 2**64
        z = word
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        out.append(z ^ (z >> 31))
    return out


@pytest.mark.parametrize("stream", [0, 1234567, draws.key(1, 2, 3)])
def test_words_are_splitmix64(stream):
    found = draws.words(stream, np.arange(1, 51, dtype=np.int64)).view(np.uint64)
    assert found.tolist() == splitmix64(stream, 50)


def test_splitmix64_itself_gives_its_published_numbers():
    assert splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_numpy_and_torch_draw_alike():
    stream = draws.key(draws.AUGMENT, 7)
    for draw in (draws.words, draws.uniform, lambda s, i: draws.integers(s, i, 9)):
        mine, theirs = draw(stream, INDICES[:1000]), draw(stream, torch.from_numpy(INDICES[:1000]))
        assert np.array_equal(mine, theirs.numpy())


def test_a_key_depends_on_every_part_and_on_their_order():
    keys = [draws.key(), draws.key(0), draws.key(0, 0), draws.key(1, 2), draws.key(2, 1), draws.key(1, 2, 0)]
    assert len(set(keys)) == len(keys) and all(0 <= key < 2**63 for key in keys)
    assert draws.key(-1) == draws.key(2**64 - 1)


def test_draws_do_not_change_between_versions():
    assert draws.key(draws.ORDER, 0, 0) == 1279368494785126216
    assert draws.permutation(draws.key(draws.ORDER, 0, 0), 8).tolist() == [1, 7, 5, 6, 0, 2, 3, 4]


def test_uniform_numbers_are_even_and_below_one():
    found = draws.uniform(draws.key(5), INDICES)
    assert found.min() >= 0 and found.max() < 1
    assert stats.kstest(found, "uniform").pvalue > 0.001
    assert np.array_equal(found.astype(np.float32).astype(np.float64), found)


@pytest.mark.parametrize("below", [1, 2, 9, 1000])
def test_integers_are_even_over_their_range(below):
    counts = np.bincount(draws.integers(draws.key(6), INDICES, below), minlength=below)
    assert len(counts) == below
    assert below == 1 or stats.chisquare(counts).pvalue > 0.001


def test_streams_of_neighbouring_keys_are_unrelated():
    one, other = (draws.uniform(draws.key(draws.ORDER, 0, epoch), INDICES) for epoch in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.015
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.015


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_a_permutation_holds_every_number_once(n):
    assert np.array_equal(np.sort(draws.permutation(draws.key(1), n)), np.arange(n))
