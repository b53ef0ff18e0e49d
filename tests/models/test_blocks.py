"""Block sizes depend on the architecture, and the choice of a backward pass on shape and device, never on a timing."""

import math

import pytest
import torch

from app.models.attention import blocks, fused
from app.models.attention.blocks import Blocks, OnePass

OTHER = (Blocks(16, 16, 4, 2),) * 3


@pytest.mark.parametrize(
    ("architecture", "expected"), [(75, 0), (80, 80), (87, 86), (89, 89), (90, 90), (103, 100), (110, 100), (121, 120)]
)
def test_an_architecture_without_rows_uses_those_of_the_nearest_lower_one(architecture, expected):
    assert blocks.known(architecture) == expected


@pytest.mark.parametrize(("architecture", "tuned"), [(0, False), (89, False), (90, True), (95, True), (120, False)])
def test_a_tuned_row_is_used_on_its_architecture_and_on_unknown_ones_above(architecture, tuned, monkeypatch):
    monkeypatch.setitem(blocks.TUNED, (90, 2, 64), OTHER)
    monkeypatch.setattr(fused, "architecture", lambda device: architecture)
    qkv = torch.zeros(1, 5, 6 * 64, dtype=torch.bfloat16)
    assert fused._cuts(qkv, heads=1) == (OTHER if tuned else blocks.TABLE[2, 64])
    assert fused._cuts(qkv.float(), heads=1) == blocks.TABLE[4, 64]


def test_a_block_is_a_power_of_two_that_a_matrix_product_takes():
    one = [*blocks.ONE_PASS_BLOCKS.values(), *(row.blocks for row in blocks.ONE_PASS.values())]
    for cut in [*one, *(cut for cuts in [*blocks.TABLE.values(), *blocks.TUNED.values()] for cut in cuts)]:
        assert min(cut.queries, cut.keys) >= 16
        assert all(math.log2(count).is_integer() for count in (cut.queries, cut.keys, cut.warps))


def test_every_row_of_one_pass_has_a_known_architecture_and_was_faster_in_full_waves():
    assert blocks.ONE_PASS_BLOCKS.keys() == blocks.TABLE.keys()
    for (architecture, size, width), row in blocks.ONE_PASS.items():
        assert architecture in blocks.ARCHITECTURES
        assert (size, width) in blocks.TABLE
        assert 0 < row.ratio < 1 <= row.resident


@pytest.mark.parametrize(
    ("programs", "one"),  # of 132 multiprocessors with one program each
    [(2, False), (105, False), (106, True), (132, True), (133, False), (211, False), (212, True), (1024, True)],
)
def test_one_pass_is_used_where_the_time_of_its_waves_is_below_that_of_two(programs, one, monkeypatch):
    monkeypatch.setitem(blocks.ONE_PASS, (90, 2, 64), OnePass(OTHER[0], resident=1, ratio=0.8))
    found = blocks.of_one(90, 2, 64, programs=programs, multiprocessors=132)
    assert found == (OTHER[0] if one else None)
    assert blocks.of_one(89, 2, 64, programs=programs, multiprocessors=132) is None
    assert blocks.of_one(90, 2, 32, programs=programs, multiprocessors=132) is None


def test_the_sheet_times_two_kernels_and_one_kernel_whatever_the_table_has(monkeypatch):
    from benchmarks.gpu.tuning import ONE_CHOICES, fused_by

    key, row = (90, 2, 64), OnePass(OTHER[0], resident=2, ratio=0.7)
    monkeypatch.setitem(blocks.ONE_PASS, key, row)
    for one in (None, ONE_CHOICES[0]):
        with fused_by(key, OTHER, one):
            assert blocks.of_two(*key) == OTHER
            assert blocks.of_one(*key, programs=1, multiprocessors=132) == one
    assert blocks.ONE_PASS[key] == row
    assert key not in blocks.TUNED
