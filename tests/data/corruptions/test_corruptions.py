"""Corruptions of images: the same bytes in any batch, and what their definitions say."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from app.data.transforms.corruptions import noise, spatter, weather
from app.data.transforms.corruptions.applied import corrupted
from app.data.transforms.corruptions.jpeg import jpeg_compression
from app.data.transforms.corruptions.keyed import Keyed
from app.data.transforms.corruptions.motion import motion_blur
from app.tables.corruption import of_side
from app.tables.corruptions import CORRUPTIONS, SEVERITIES

from ..pictures import noise as picture
from . import references

OFFLINE = [name for name, row in CORRUPTIONS.items() if row.kind == "image" and name != "frost"]
ROWS = torch.tensor([5, 0, 9_999, 17, 3])
IMAGES = torch.from_numpy(np.stack([picture(i, size=(20, 20)) for i in range(5)])).permute(0, 3, 1, 2).contiguous()


def of(name, severity=3, images=IMAGES, rows=ROWS):
    return corrupted(images, name, severity, seed=4, rows=rows)


def expected(name, severity, *more):
    """What the reference makes of the first image: uint8 (3, H, W)."""
    c = CORRUPTIONS[name].at(20, severity)
    x = IMAGES[0].permute(1, 2, 0).double().numpy()
    return torch.from_numpy(getattr(references, name)(x, *(more or c))).permute(2, 0, 1).clamp(0, 255)


def keyed(name, severity, rows=ROWS[:1]):
    return Keyed(4, name, severity, rows)


@pytest.mark.parametrize("name", OFFLINE)
def test_a_row_has_the_same_bytes_in_any_batch_and_order(name):
    at_once = of(name)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert torch.equal(of(name, images=IMAGES[order], rows=ROWS[order]), at_once[order])
    for size in (1, 2):
        parts = [
            of(name, images=some, rows=rows) for some, rows in zip(IMAGES.split(size), ROWS.split(size), strict=True)
        ]
        assert torch.equal(torch.cat(parts), at_once)


@pytest.mark.parametrize("name", OFFLINE)
def test_severity_0_changes_nothing_and_every_other_severity_changes_the_image(name):
    assert torch.equal(of(name, 0), IMAGES)
    assert all(not torch.equal(of(name, severity), IMAGES) for severity in SEVERITIES[2:])


@pytest.mark.parametrize("name", [name for name in OFFLINE if not CORRUPTIONS[name].colour])
def test_images_of_one_channel_and_rectangles_keep_their_shape(name):
    assert of(name, images=IMAGES[:, :1, :, :15], rows=ROWS).shape == (5, 1, 20, 15)


def test_draws_depend_on_seed_name_severity_and_row():
    keys = [(0, "fog", 1, 5), (1, "fog", 1, 5), (0, "snow", 1, 5), (0, "fog", 2, 5), (0, "fog", 1, 6)]
    made = {tuple(Keyed(*key[:3], torch.tensor([key[3]])).integers(0, 4, bits=24)[0].tolist()) for key in keys}
    assert len(made) == len(keys)


@pytest.mark.parametrize("name", ["gaussian_blur", "defocus_blur", "zoom_blur", "contrast"])
@pytest.mark.parametrize("severity", [1, 5])
def test_smooth_corruptions_equal_their_reference_to_a_rounding(name, severity):
    gap = of(name, severity)[0].double() - (expected(name, severity) + 1e-6).floor()
    assert gap.abs().max() <= 1
    assert (gap != 0).double().mean() < 0.01


@pytest.mark.parametrize("name", ["brightness", "saturate", "pixelate"])
@pytest.mark.parametrize("severity", [1, 4, 5])
def test_colours_and_pixelate_equal_their_reference(name, severity):
    assert torch.equal(of(name, severity)[0].double(), (expected(name, severity) + 1e-6).floor())


@pytest.mark.parametrize(("side", "quality"), [(21, 80), (21, 40), (32, 10)])
def test_jpeg_differs_from_libjpeg_by_roundings_only(side, quality):
    rows, columns = np.mgrid[:side, :side]
    x = np.stack([rows * 8, columns * 7, (rows + columns) * 4], 2).astype(np.uint8)
    made = jpeg_compression(torch.from_numpy(x).permute(2, 0, 1)[None].double(), (quality,), keyed("none", 1))
    gap = np.abs(made.clamp(0, 255)[0].permute(1, 2, 0).numpy() - references.jpeg_compression(x, quality))
    assert gap.mean() < 0.7 and np.quantile(gap, 0.9) <= 2  # a coefficient may be one quantisation step off


@pytest.mark.parametrize("severity", [3, 5])
def test_glass_blur_equals_the_scan_over_pixels(severity):
    sigma, *whole = CORRUPTIONS["glass_blur"].at(20, severity)
    reach, rounds = map(int, whole)
    draws = keyed("glass_blur", severity)
    offsets = [
        torch.stack([draws.below(2 * each + axis, 2 * reach, 20, 20)[0] - reach for axis in (0, 1)], 2).numpy()
        for each in range(rounds)
    ]
    found = expected("glass_blur", severity, sigma, reach, np.stack(offsets))
    assert (of("glass_blur", severity)[0].double() - found.floor()).abs().max() <= 1


def test_glass_blur_with_a_wide_reach_equals_the_scan_over_pixels():
    from app.data.transforms.corruptions.glass import glass_blur

    draws = Keyed(0, "glass_blur", 5, torch.tensor([1]))
    offsets = torch.stack([draws.below(axis, 8, 20, 20)[0] - 4 for axis in (0, 1)], 2).numpy()[None]
    found = references.glass_blur(IMAGES[0].permute(1, 2, 0).double().numpy(), 0.05, 4, offsets)
    made = glass_blur(IMAGES[:1].double(), (0.05, 4, 1), draws)[0]
    assert torch.equal(made, torch.from_numpy(found).permute(2, 0, 1))


def test_motion_blur_equals_the_sum_along_a_line():
    draws = keyed("motion_blur", 5)
    degrees = -45 + 90 * int(draws.integers(0, bits=12)) / 4096
    found = references.motion_blur(IMAGES[0].permute(1, 2, 0).double().numpy(), 9, 2.5, degrees)
    gap = motion_blur(IMAGES[:1].double(), (9, 2.5), draws)[0] - torch.from_numpy(found).permute(2, 0, 1)
    assert gap.abs().max() <= 1
    assert (gap != 0).double().mean() < 0.01


@pytest.mark.parametrize("severity", [1, 3])
def test_elastic_transform_equals_two_interpolations(severity):
    strength, sigma, shift = (20 * share for share in CORRUPTIONS["elastic_transform"].at(20, severity))
    draws = keyed("elastic_transform", severity)
    noise = [draws.uniform(1 + axis, 1, 20, 20, bits=13)[0, 0].numpy() * 2 - 1 for axis in (0, 1)]
    fields = np.stack([references.smoothed(each, sigma) * strength for each in noise])
    found = expected("elastic_transform", severity, draws.between(0, -shift, shift, 3, 2)[0].numpy(), fields)
    assert (of("elastic_transform", severity)[0].double() - found).abs().mean() < 0.8  # 0.5 is the truncation


def test_normal_draws_are_normal():
    found = Keyed(0, "gaussian_noise", 1, torch.arange(20)).normal(0, 1_000).flatten().numpy()
    assert stats.kstest(found, "norm").pvalue > 0.01


@pytest.mark.parametrize(("photons", "level"), [(500, 255), (60, 100), (3, 20)])
def test_shot_noise_is_poisson(photons, level):
    x = torch.full((20, 1, 20, 20), float(level), dtype=torch.float64)
    counts = (noise.shot_noise(x, (photons,), Keyed(0, "shot_noise", 1, torch.arange(20))) * photons / 255).round()
    mean = level / 255 * photons
    assert abs(float(counts.mean()) - mean) < 5 * math.sqrt(mean / 8_000)
    assert abs(float(counts.var()) / mean - 1) < 5 * math.sqrt((2 + 1 / mean) / 8_000)


def test_impulse_noise_hits_the_share_of_values_that_it_names_half_white():
    grey = torch.full((50, 3, 20, 20), 128, dtype=torch.uint8)
    found = corrupted(grey, "impulse_noise", 5, seed=0, rows=torch.arange(50))
    for value in (0, 255):
        assert abs(float((found == value).double().mean()) - 0.035) < 5 * math.sqrt(0.035 / found.numel())
    assert set(found.unique().tolist()) == {0, 128, 255}


def test_fog_lightens_black_and_keeps_the_largest_value():
    x = torch.zeros(2, 1, 20, 20, dtype=torch.float64)
    x[:, :, 0, 0] = 200
    cloud = weather.plasma(20, 2.0, Keyed(0, "fog", 1, torch.arange(2)))
    assert cloud.shape == (2, 32, 32)
    assert (cloud.amin((1, 2)) == 0).all()
    assert (cloud.amax((1, 2)) == 1).all()
    assert weather.fog(x, (1.0, 2.0), Keyed(0, "fog", 1, torch.arange(2))).max() <= 200


def test_spatter_adds_pale_turquoise_water_and_equalises_as_opencv_does():
    black = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    red, green, blue = corrupted(black, "spatter", 2, seed=0, rows=torch.arange(4)).long().unbind(1)
    assert green.max() > 50 and torch.equal(green, blue) and (red <= green).all() and red.sum() < 0.8 * green.sum()
    levels = torch.tensor([3, 3, 5, 5, 5, 9]).view(1, 1, -1)
    assert spatter._equalized(levels).flatten().tolist() == [0, 0, 191, 191, 191, 255]  # cv2.equalizeHist


@pytest.mark.parametrize(
    ("side", "published"), [(8, 32), (32, 32), (63, 32), (64, 64), (223, 64), (224, 224), (512, 224)]
)
def test_a_side_has_the_constants_of_the_published_side_below_it(side, published):
    assert of_side(side) == published


def test_above_224_px_lengths_grow_with_the_side_and_intensities_do_not():
    assert CORRUPTIONS["defocus_blur"].at(448, 1) == (6, 0.1)
    assert CORRUPTIONS["gaussian_noise"].at(448, 1) == (0.08,)
    assert CORRUPTIONS["pixelate"].at((448, 600), 5) == (0.25,)


@pytest.mark.parametrize("row", CORRUPTIONS.values(), ids=lambda row: row.name)
def test_every_side_has_five_severities_of_as_many_constants(row):
    shapes = {tuple(map(len, five)) for five in (row.of_32, row.of_64, row.of_224)}
    assert len(shapes) == 1
    assert [len({*each}) for each in shapes] == [1]
    assert len(row.of_32) == len(SEVERITIES)


def test_the_benchmark_has_15_corruptions_and_4_more():
    sets = [row.set for row in CORRUPTIONS.values()]
    assert (sets.count("benchmark"), sets.count("extra")) == (15, 4)
