"""Block sizes of the fused attention kernels by architecture, and which backward pass is used.

They are fixed rather than tuned at run time. A choice by timing would change the order of sums, and so a run's bits.
An architecture is 90 for sm_90. Rows of `TUNED` and `ONE_PASS` are measured on a device of the architecture in their
key. Every other row was chosen by what compilers report.
"""

from __future__ import annotations

from typing import NamedTuple

ARCHITECTURES = (80, 86, 89, 90, 100, 120)  # each with its rows; another one uses those of the nearest lower one


class Blocks(NamedTuple):
    """The block sizes of one kernel: rows of queries and of keys per step, warps, stages of the load pipeline."""

    queries: int
    keys: int
    warps: int
    stages: int


class OnePass(NamedTuple):
    """Where one kernel for the backward pass is faster than two.

    `resident` is the number of programs that a multiprocessor runs at the same time. `ratio` is the measured time of
    one kernel divided by that of two, where both fill the device.
    """

    blocks: Blocks
    resident: int
    ratio: float


# By bytes of a number and head width: forward, keys' and queries' gradient. Chosen by what compilers for sm_80, 86, 90
# and 120 report: few spilled registers, and no more than the 99 KiB of shared memory that consumer cards have.
TABLE = {
    (2, 16): (Blocks(128, 64, 8, 3), Blocks(64, 64, 4, 2), Blocks(64, 64, 4, 2)),
    (2, 32): (Blocks(128, 64, 8, 3), Blocks(64, 128, 8, 3), Blocks(64, 64, 4, 2)),
    (2, 64): (Blocks(128, 32, 8, 3), Blocks(32, 64, 4, 2), Blocks(64, 32, 4, 2)),
    (2, 128): (Blocks(32, 32, 8, 2), Blocks(16, 32, 8, 2), Blocks(64, 32, 8, 1)),
    (4, 16): (Blocks(32, 32, 8, 1), Blocks(32, 32, 4, 1), Blocks(32, 32, 8, 1)),
    (4, 32): (Blocks(16, 32, 8, 1), Blocks(32, 32, 8, 1), Blocks(16, 16, 8, 1)),
    (4, 64): (Blocks(16, 16, 8, 1), Blocks(16, 16, 8, 1), Blocks(16, 16, 8, 1)),
    (4, 128): (Blocks(16, 16, 8, 1), Blocks(16, 16, 8, 1), Blocks(16, 16, 8, 1)),
}
# By architecture, bytes of a number and head width: what `python -m benchmarks.gpu` measured there.
TUNED: dict[tuple[int, int, int], tuple[Blocks, Blocks, Blocks]] = {}

# The backward pass in one kernel, by bytes of a number and head width: where measuring starts.
ONE_PASS_BLOCKS = {
    (2, 16): Blocks(64, 64, 4, 2),
    (2, 32): Blocks(32, 64, 4, 2),
    (2, 64): Blocks(32, 64, 4, 2),
    (2, 128): Blocks(16, 32, 8, 1),
    (4, 16): Blocks(32, 32, 4, 1),
    (4, 32): Blocks(16, 16, 8, 1),
    (4, 64): Blocks(16, 16, 8, 1),
    (4, 128): Blocks(16, 16, 8, 1),
}
# By architecture, bytes of a number and head width. Without a row, the two kernels are used.
ONE_PASS: dict[tuple[int, int, int], OnePass] = {}


def known(architecture: int) -> int:
    """Return the nearest architecture that has rows and is not above the given one, or 0 if there is none."""
    return max((one for one in ARCHITECTURES if one <= architecture), default=0)


def of_two(architecture: int, size: int, width: int) -> tuple[Blocks, Blocks, Blocks]:
    """Return the blocks of the forward kernel and of the two backward kernels, for numbers of `size` bytes."""
    return TUNED.get((known(architecture), size, width), TABLE[size, width])


def of_one(architecture: int, size: int, width: int, *, programs: int, multiprocessors: int) -> Blocks | None:
    """Return the blocks of the backward pass in one kernel, or None where two kernels are used.

    One kernel has a program for each head of each image, and works in waves of as many programs as the device can run
    at the same time. The last wave takes as long as a full one. Two kernels have many short programs, which fill the
    device at any batch size. One kernel is used where its measured time, in full waves, is below that of two.
    """
    row = ONE_PASS.get((known(architecture), size, width))
    if row is None:
        return None
    at_once = row.resident * multiprocessors
    waves = -(-programs // at_once)
    return row.blocks if row.ratio * waves * at_once < programs else None
