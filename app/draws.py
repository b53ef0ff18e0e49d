"""Random draws that depend on a key instead of on history: splitmix64 (Steele, Lea and Flood, OOPSLA 2014).

Source: doi:10.1145/2660193.2660195, section 5. A draw depends only on its key. It is the same for every batch, worker,
rank and device, wherever a run was stopped, and in every version of numpy and torch.
"""

from __future__ import annotations

from typing import Any

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = (1 << 64) - 1

ORDER, AUGMENT, DROPOUT, CARVE, DROP_PATH = range(5)  # the purpose of a key, which is the first part of every key
SWEEP, CORRUPTION = 100, 101  # two more purposes: the trials of a sweep, and corrupted test inputs
LABELS, DISTRACTORS, CORRUPTED = 102, 103, 104  # training under noise: wrong labels, patches, corrupted training inputs
CANVASES = 105  # and test images among distractors


def _signed(word: int) -> int:
    """Return the 64-bit word as a signed number, as int64 arrays and tensors store it."""
    return word - (1 << 64) if word >> 63 else word


def _finalise(x: Any) -> Any:
    """Return splitmix64's output function of an int64 numpy array or torch tensor, whose products wrap."""
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * _signed(_FIRST)
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * _signed(_SECOND)
    return x ^ ((x >> 31) & ((1 << 33) - 1))


def key(*parts: int) -> int:
    """Return one 63-bit key made from several integers, whose order matters."""
    word = 0
    for part in parts:
        word = (word + _GOLDEN + (part & _WORD)) & _WORD
        word = ((word ^ (word >> 30)) * _FIRST) & _WORD
        word = ((word ^ (word >> 27)) * _SECOND) & _WORD
        word ^= word >> 31
    return word >> 1


def words(stream: int, indices: Any) -> Any:
    """Return a 64-bit word of a key's stream for each index of an int64 array or tensor, in the same shape."""
    return _finalise(indices * _signed(_GOLDEN) + stream)


def uniform(stream: int, indices: Any) -> Any:
    """Return a float in [0, 1) for each index, with 24 random bits, so that it is exact in float32 on every device."""
    return ((words(stream, indices) >> 40) & ((1 << 24) - 1)) / float(1 << 24)


def integers(stream: int, indices: Any, below: Any) -> Any:
    """Return an integer in [0, below) for each index. `below` is at most 2**24: a number, or one for each index."""
    return ((words(stream, indices) >> 40) & ((1 << 24) - 1)) * below >> 24


def permutation(stream: int, n: int) -> Any:
    """Return a permutation of 0..n-1 as an int64 numpy array, by sorting the stream's words."""
    import numpy as np

    return np.argsort(words(stream, np.arange(n, dtype=np.int64)), kind="stable")


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Return the number of batches that contain every example once. The last one may be smaller."""
    return -(-examples // batch_size)
