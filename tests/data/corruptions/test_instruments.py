"""Corruptions of signals, fields and histology: what their definitions say, and the same bytes in any batch."""

import numpy as np
import pytest
import torch

from app.data.transforms.corruptions import fields, histology, patterns
from app.data.transforms.corruptions.applied import Corrupt, corrupted
from app.data.transforms.corruptions.keyed import Keyed
from app.data.transforms.transform import Draws
from app.tables.corruptions import CORRUPTIONS, SEVERITIES

STEP, LENGTH = 0.05, 200  # degrees, points
DEGREES = patterns.in_degrees(STEP)
OF_INSTRUMENTS = [name for name, row in CORRUPTIONS.items() if row.set in ("signal", "field", "histology")]
DRAW = np.random.default_rng(0)
INPUTS = {
    "signal": torch.from_numpy(DRAW.random((64, 1, LENGTH)) ** 8).float() + 1e-3,
    "field": torch.from_numpy(DRAW.random((64, 2, 12, 8)) * 9).float(),
    "image": torch.from_numpy(DRAW.integers(0, 256, (64, 3, 16, 16))).to(torch.uint8),
}
GREYS = INPUTS["image"][:4].double()


def keyed(name, rows=4):
    return Keyed(0, name, 1, torch.arange(rows))


def of(name, severity, inputs, rows):
    return corrupted(inputs, name, severity, seed=1, rows=rows, more=DEGREES)


def peak(at, width=4.0):
    """Four equal patterns with a Gaussian peak: float64 (4, 1, L)."""
    return torch.exp(-0.5 * ((torch.arange(LENGTH).double() - at) / width) ** 2).expand(4, 1, LENGTH)


def places(x):
    """The mean place of each pattern."""
    return (x * torch.arange(LENGTH)).sum((1, 2)) / x.sum((1, 2))


@pytest.mark.parametrize("name", OF_INSTRUMENTS)
def test_a_row_has_the_same_bytes_in_batches_of_1_7_and_64_and_in_any_order(name):
    inputs, rows = INPUTS[CORRUPTIONS[name].kind], torch.arange(64) * 3
    at_once = of(name, 3, inputs, rows)
    assert at_once.dtype == inputs.dtype and at_once.shape == inputs.shape and not torch.equal(at_once, inputs)
    for size, first in ((1, 8), (7, 28)):
        both = zip(inputs[:first].split(size), rows[:first].split(size), strict=True)
        assert torch.equal(torch.cat([of(name, 3, *each) for each in both]), at_once[:first])
    order = torch.from_numpy(DRAW.permutation(64))
    assert torch.equal(of(name, 3, inputs[order], rows[order]), at_once[order])


@pytest.mark.parametrize("name", OF_INSTRUMENTS)
def test_severity_0_changes_nothing_and_the_change_grows_with_the_severity(name):
    inputs, rows = INPUTS[CORRUPTIONS[name].kind][:16], torch.arange(16)
    assert torch.equal(of(name, 0, inputs, rows), inputs)
    changes = [(of(name, severity, inputs, rows).double() - inputs.double()).abs().mean() for severity in SEVERITIES]
    assert changes[0] > 0 and changes[0] < changes[2] < changes[4]


def test_corrupt_is_a_transform_of_stored_patterns():
    change = Corrupt("zero_shift", 3, 1, DEGREES)
    keys = Draws(0, None, torch.tensor([2, 0]), torch.tensor([7, 9]))
    made, targets = change(INPUTS["signal"][:2], torch.tensor([0, 1]), keys)
    assert torch.equal(made, of("zero_shift", 3, INPUTS["signal"][:2], torch.tensor([7, 9])))
    assert targets.tolist() == [0, 1]


@pytest.mark.parametrize("mean", [0.2, 37.5, 900.0])
def test_counting_noise_has_the_mean_and_the_variance_of_poisson_counts(mean):
    x = torch.full((20, 1, 1_000), mean / 1_000, dtype=torch.float64)
    x[:, :, 0] = 1.0  # the highest point has 1,000 counts
    counts = (patterns.counting_noise(x, (1_000,), keyed("counting_noise", 20)) * 1_000)[:, :, 1:]
    assert float(counts.mean()) == pytest.approx(mean, abs=5 * (mean / 20_000) ** 0.5 + 1e-4)
    assert float(counts.var()) == pytest.approx(mean, rel=5 * ((2 + 1 / mean) / 20_000) ** 0.5)
    assert torch.allclose(counts, counts.round().clamp(min=0), atol=1e-6)


def test_a_background_has_its_share_of_the_highest_point_and_is_smooth():
    added = patterns.background(peak(100) * 3, (0.4,), keyed("background")) - peak(100) * 3
    assert added.amax(2).flatten().tolist() == pytest.approx([1.2] * 4)
    assert added.min() >= 0 and added.diff(dim=2).abs().max() < 0.12


def test_a_zero_shift_moves_a_peak_by_the_stated_degrees_up_or_down():
    x = peak(100).expand(4, 1, LENGTH).repeat(4, 1, 1)
    moved = DEGREES["zero_shift"](x, (0.23,), keyed("zero_shift", 16))
    degrees = (places(moved) - 100) * STEP
    assert degrees.abs().tolist() == pytest.approx([0.23] * 16, abs=1e-6)
    assert {*degrees.sign().tolist()} == {-1.0, 1.0}


@pytest.mark.parametrize("at", [100, 2])
def test_peak_broadening_keeps_the_area_also_at_the_border_and_adds_variances(at):
    x = peak(at)
    made = DEGREES["peak_broadening"](x, (0.8,), keyed("peak_broadening"))
    assert made.sum((1, 2)).tolist() == pytest.approx(x.sum((1, 2)).tolist(), rel=1e-5)
    if at == 100:
        variance = (made[0, 0] * (torch.arange(LENGTH) - 100) ** 2).sum() / made[0, 0].sum()
        assert float(variance) == pytest.approx(4.0**2 + (0.8 / STEP / 2.3548) ** 2, rel=0.01)


def test_patterns_keep_their_least_and_largest_value():
    x = INPUTS["signal"][:8]
    for name in ("background", "peak_broadening", "counting_noise"):
        made = of(name, 4, x, torch.arange(8))
        assert torch.equal(made.amin(2), x.amin(2)) and torch.allclose(made.amax(2), x.amax(2), rtol=1e-6)


def test_pixel_noise_has_its_share_of_the_range_of_each_channel_and_blur_keeps_the_mean():
    x = INPUTS["field"][:8].double() * torch.tensor([1.0, 100.0])[:, None, None]
    change = fields.pixel_noise(x, (0.1,), keyed("pixel_noise", 8)) - x
    reach = x.amax((2, 3)) - x.amin((2, 3))
    assert (change.std((0, 2, 3)) / reach.mean(0)).tolist() == pytest.approx([0.1, 0.1], rel=0.1)
    blurred = fields.pixel_blur(x, (2.0,), keyed("pixel_blur", 8))
    assert (
        torch.allclose(blurred.mean((2, 3)), x.mean((2, 3)), rtol=1e-5)
        and (blurred.std((0, 2, 3)) < 0.5 * x.std((0, 2, 3))).all()
    )


def test_a_stain_of_0_is_the_identity_and_amounts_of_stains_give_the_colour_back():
    levels = torch.arange(256.0, dtype=torch.float64).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    for x in (levels, GREYS):
        assert torch.equal(histology.stain(x, (0.0,), keyed("stain", len(x))), x)
    density = -torch.log((GREYS + 1) / 256)
    found = histology._mixed(histology.amounts(GREYS), np.array(histology._STAINS))
    assert torch.allclose(found, density, atol=1e-12)
    eosin = 256 * torch.exp(-0.4 * torch.tensor([0.07, 0.99, 0.11])) - 1
    grey = eosin.round().double().view(1, 3, 1, 1)
    assert histology.amounts(grey).flatten().tolist() == pytest.approx([0, 0.4, 0], abs=0.02)


def test_scanner_variation_is_what_its_constants_say():
    flat = torch.full((40, 3, 8, 8), 100.0, dtype=torch.float64)
    assert torch.allclose(histology.scanner_defocus(flat, (2.0,), keyed("scanner_defocus", 40)), flat)
    gains = histology.white_balance(flat, (0.1,), keyed("white_balance", 40))[:, :, 0, 0] / 100
    assert gains.min() >= 0.9 and gains.max() < 1.1 and gains.std() == pytest.approx(0.2 / 12**0.5, rel=0.2)
    powers = torch.log(histology.gamma(flat, (1.25,), keyed("gamma", 40))[:, 0, 0, 0] / 255) / np.log(100 / 255)
    assert sorted({*powers.numpy().round(6).tolist()}) == [0.8, 1.25]
    assert CORRUPTIONS["scanner_defocus"].at(256, 5) == (2.0,) and CORRUPTIONS["scanner_jpeg"].at(256, 5) == (20,)


def test_the_weights_of_defocus_have_the_variance_of_a_disk_and_of_interpolation():
    kernel = histology._disk(4.0)
    away = np.arange(-4, 5)
    variance = (kernel.sum(0) * away**2).sum()
    assert kernel.sum() == 1 and variance == pytest.approx(4**2 / 4 + 1 / 6, rel=0.01)
