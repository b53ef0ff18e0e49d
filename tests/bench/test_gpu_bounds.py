"""The arithmetic of docs/performance.md for a GPU is that of benchmarks/gpu/bounds.py, from the closed-form counts."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.counts import vit
from benchmarks.gpu import bounds

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text()


def test_the_page_has_the_rows_that_the_arithmetic_gives():
    d256, rows = bounds.config_of("d256"), "\n".join(bounds.tables()).split("\n\nd384")[0].splitlines()
    assert [row for row in rows if row.startswith("|") and row not in PAGE] == [
        "| part of a step | TFLOP | GB | H200, ms | bound by |",
        "| device | step, ms | of the data sheet, % | eager kernels | two calls |",
    ]
    assert all(bounds.bound_row(device, bounds.config_of("d384")) in PAGE for device in bounds.DEVICES)
    assert f"An epoch is {bounds.epoch_flops(d256) / 1e15:.2f} PFLOP" in PAGE
    assert f"allows {bounds.fifty_epochs(bounds.DEVICES[0], d256) / 60:.1f} minutes on an H200" in PAGE
    fewer = bounds.narrower(bounds.DEVICES[0], d256)
    assert fewer.endswith("46.9 GB fewer per step, 92.4 ms instead of 102.1 ms")
    assert "46.9 GB less per step" in PAGE and "at least 92.4 ms instead of" in PAGE
    assert f"move {bounds.maps_bytes(d256) / 1e12:.2f} TB per step" in PAGE


@pytest.mark.parametrize("label", ["d256", "d384"])
def test_the_operations_of_a_step_are_the_closed_form_ones_in_parts(label):
    config = bounds.config_of(label)
    loads = bounds.loads(config, bounds.COMPILED)
    linear, attention = loads["linear layers of the blocks"].flops / 3, loads["attention"].flops / bounds.FLASH_WORK
    blocks = config.batch_size * config.depth * vit.block_flops(config.shape, vit.tokens(config.shape))
    assert linear + attention == blocks
    images = config.batch_size
    assert f"| {config.flops:,} | {linear / images:,.0f} | {attention / images:,.0f} |" in PAGE
    assert f"| {3 * images * config.flops / 1e12:.2f} |" in PAGE


def test_the_bytes_of_a_block_are_those_of_the_page():
    assert sum(map(sum, bounds.COMPILED.values())) == 148 and sum(map(sum, bounds.EAGER.values())) == 218
    assert sum(map(sum, bounds.BF16_STREAM.values())) == 110 and "| all | 148 | 110 |" in PAGE
    assert "| all | 148 | 218 |" in PAGE and sum(bounds.LINEAR) == 96 and sum(bounds.ATTENTION) == 24


def test_the_bytes_that_an_image_keeps_are_those_of_the_page():
    d256 = bounds.config_of("d256")
    wide, narrow = (
        replace(d256, residual_precision=stream).kept_bytes("bf16", maps_kept=False) for stream in ("fp32", "bf16")
    )
    assert f"an image keeps {narrow / 1e6:.1f} MB instead of {wide / 1e6:.1f} MB" in PAGE
