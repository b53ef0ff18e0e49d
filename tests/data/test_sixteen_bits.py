"""16-bit images keep the range that they use: that of the training images, or a stated one."""

import dataclasses
import shutil
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.data.store.decode import read, stored
from app.errors import DiskFull, InputError
from app.tables.decoding import Decoding, decoding_of

from .deep_files import COLOUR_FILES, GREY_FILES, png, scaled, tiff
from .pictures import encoded, noise, write_images
from .reading import Reading, refused

NOW = Decoding(revision=2)


def numbers(seed, *, low=0, high=4095, size=(24, 24), bands=None):
    """Counts of a 12-bit sensor, say: uint16 (H, W) or (H, W, bands), with both ends of their range."""
    shape = (size[1], size[0]) if bands is None else (size[1], size[0], bands)
    drawn = np.random.default_rng(seed).integers(low, high + 1, shape, dtype=np.uint16)
    drawn.flat[0], drawn.flat[-1] = low, high
    return drawn


def at(span):
    return dataclasses.replace(NOW, span=span)


RANGES = [(0, 4095), (1000, 1255), (0, 65535), (30_000, 30_010), (7, 7), (0, 510)]


@pytest.mark.parametrize("span", RANGES, ids=str)
@pytest.mark.parametrize("kind", GREY_FILES)
def test_grey_counts_are_scaled_by_the_range_as_defined(kind, span):
    counts = numbers(1, low=span[0], high=span[1])
    content = GREY_FILES[kind](counts)
    found = read(content, side=24, channels=3, decoding=NOW).counts
    assert (found.low, found.high, found.transparent) == (*span, False)
    got = stored(content, side=24, channels=3, decoding=at(span))
    assert np.array_equal(got, np.repeat(scaled(counts[..., None], *span), 3, axis=0))


@pytest.mark.parametrize("span", RANGES, ids=str)
@pytest.mark.parametrize("kind", COLOUR_FILES)
def test_colour_counts_keep_both_of_their_bytes(kind, span):
    counts = numbers(2, low=span[0], high=span[1], bands=3)
    content = COLOUR_FILES[kind](counts)
    found = read(content, side=24, channels=3, decoding=NOW).counts
    assert (found.low, found.high) == span
    assert np.array_equal(stored(content, side=24, channels=3, decoding=at(span)), scaled(counts, *span))


@pytest.mark.parametrize("side", [7, 16, 50])
def test_they_are_resized_before_they_become_eight_bits(side):
    counts = numbers(3, low=100, high=130, size=(40, 24))  # 31 levels: eight bits would keep no more
    got = stored(encoded(counts), side=side, channels=1, decoding=at((100, 130)))
    wanted = scaled(counts[..., None], 100, 130, side=side)
    assert abs(got.astype(int) - wanted).max() <= 1
    assert (got != wanted).mean() < 0.01  # a number half way between two
    assert side == 7 or len(np.unique(got)) > 31


def opacity_of(counts):
    return counts / np.float64(65535)


OPACITY = numbers(9, high=65535)
GREY, COLOUR = numbers(4, low=300, high=2000), numbers(5, low=300, high=2000, bands=3)
CLEAR = {
    "grey and opacity": (lambda: png(np.dstack([GREY, OPACITY])), GREY[..., None], opacity_of(OPACITY)),
    "colour and opacity, png": (lambda: png(np.dstack([COLOUR, OPACITY])), COLOUR, opacity_of(OPACITY)),
    "colour and opacity, tiff": (lambda: tiff(np.dstack([COLOUR, OPACITY]), extra=(2,)), COLOUR, opacity_of(OPACITY)),
    "one clear level": (lambda: png(GREY[..., None], key=[int(GREY[5, 5])]), GREY[..., None],
                        (GREY[5, 5] != GREY).astype(float)),
    "one clear colour": (lambda: png(COLOUR, key=[int(n) for n in COLOUR[5, 5]]), COLOUR,
                         (COLOUR[5, 5] != COLOUR).any(2).astype(float)),
}  # fmt: skip


@pytest.mark.parametrize("name", CLEAR)
@pytest.mark.parametrize("side", [None, 10])
def test_transparent_counts_are_composed_onto_white_in_their_range(name, side):
    content, colours, opacity = CLEAR[name][0](), *CLEAR[name][1:]
    got = stored(content, side=side or 24, channels=3, decoding=at((300, 2000)))
    wanted = scaled(colours, 300, 2000, opacity=opacity, side=side)
    assert abs(got.astype(int) - wanted).max() <= 1
    assert (got != np.broadcast_to(wanted, got.shape)).mean() < 0.01
    assert read(content, side=24, channels=3, decoding=NOW).transparent


def test_counts_times_opacity_are_read_as_counts():
    opacity = np.where(OPACITY > 30_000, 65535, 0).astype(np.uint16)
    counts = np.where(opacity[..., None], COLOUR, 0).astype(np.uint16)
    content = tiff(np.dstack([counts, opacity]), extra=(1,))
    got = stored(content, side=24, channels=3, decoding=at((300, 2000)))
    assert np.array_equal(got, scaled(COLOUR, 300, 2000, opacity=opacity_of(opacity)))


def test_a_pixel_that_nobody_sees_takes_no_part_in_the_range():
    counts = np.dstack([GREY, OPACITY])
    counts[2, 3] = 60_000, 0
    found = read(png(counts), side=24, channels=3, decoding=NOW).counts
    assert (found.low, found.high) == (int(GREY[OPACITY > 0].min()), 2000)


def test_a_colour_file_becomes_one_channel_by_luminance():
    got = stored(png(COLOUR), side=24, channels=1, decoding=at((300, 2000)))
    levels = (COLOUR.astype(float) - 300) * 255 / 1700 @ [0.299, 0.587, 0.114]
    assert abs(got[0] - levels).max() <= 0.5 + 1e-9


def test_a_rotated_camera_picture_is_upright_in_grey_and_colour():
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = GREY
    turned = Image.fromarray(np.rot90(upright))
    got = stored(encoded(turned, exif=exif), side=24, channels=1, decoding=at((300, 2000)))
    assert np.array_equal(got, scaled(upright[..., None], 300, 2000))


def test_without_a_range_one_picture_alone_is_refused():
    with pytest.raises(InputError, match="16 bits, but no training image"):
        stored(encoded(GREY), side=24, channels=3, decoding=NOW)


@pytest.mark.parametrize(("bits", "span"), [(9, (0, 511)), (12, (0, 4095)), (16, (0, 65535))])
def test_a_bit_depth_is_the_range_from_zero(bits, span):
    assert decoding_of({"bit_depth": bits, "decoding_revision": 2}) == at(span)


def deep(folder, counts_of, *, splits=("train", "test"), kind="png", each=12):
    """An image folder of 16-bit pictures of two classes: 24 x 24, of which 16 x 16 are stored."""
    for split in splits:
        for label in ("cat", "dog"):
            (folder / split / label).mkdir(parents=True)
            for number in range(each):
                content = GREY_FILES[kind](counts_of(split, label, number))
                (folder / split / label / f"{number:02}.{kind.split()[0][:4]}").write_bytes(content)
    return folder


def sensor(split, label, number):
    """Counts of 12 bits in train, and wider ones in test."""
    low, high = (50, 3000) if split == "train" else (10, 4000)
    return numbers(number + 100 * (label == "dog"), low=low, high=high)


def agree(images, wanted):
    """Images as stored, and as the definition has them, up to a number half way between two."""
    difference = abs(images.astype(int) - wanted)
    return difference.max() <= 1 and (difference > 0).mean() < 0.01


@pytest.mark.parametrize("kind", ["png", "tiff big-endian"])
def test_the_range_is_that_of_the_training_rows_and_the_others_are_clipped_and_counted(tmp_path, kind):
    reading = Reading(deep(tmp_path / "scans", sensor, kind=kind))
    pixels = reading.manifest["pixels"]
    assert pixels == {"deep": {"test": 24, "train": 24}, "clipped": {"test": 24}, "low": 50, "high": 3000}
    wanted = np.stack([scaled(sensor("train", "cat", number)[..., None], 50, 3000, side=16) for number in range(12)])
    assert agree(reading.cached.images("train")[:12], wanted)
    assert "24 test, 24 train images of local/scans have 16 bits: values 50 to 3,000 are scaled" in reading.said[-2]
    assert "24 test images of local/scans have values outside this range: clipped" in reading.said[-1]


def test_what_is_clipped_ends_at_black_and_at_white(tmp_path):
    def flat(split, label, number):
        counts = np.full((16, 16), 5000 if label == "cat" else 0, np.uint16)
        return numbers(number, low=50, high=3000, size=(16, 16)) if split == "train" else counts

    reading = Reading(deep(tmp_path / "scans", flat))
    images = reading.cached.images("test")
    assert (images[:12] == 255).all() and (images[12:] == 0).all()


def test_the_moments_are_those_of_the_scaled_pixels(tmp_path):
    cached = Reading(deep(tmp_path / "scans", sensor)).cached
    images = cached.images("train").astype(np.int64)
    assert np.array_equal(cached.array("train", "moments")[..., 0], images.sum((2, 3)))
    assert np.array_equal(cached.array("train", "moments")[..., 1], (images**2).sum((2, 3)))


def test_a_stated_depth_is_the_range_of_every_split_and_of_the_run(tmp_path):
    folder = deep(tmp_path / "scans", sensor)
    measured, stated = Reading(folder), Reading(folder, bit_depth=12)
    assert stated.manifest["pixels"] == {"deep": {"test": 24, "train": 24}, "low": 0, "high": 4095}
    assert stated.config.run_id != measured.config.run_id and stated.cached.folder != measured.cached.folder
    wanted = scaled(sensor("test", "dog", 3)[..., None], 0, 4095, side=16)
    assert agree(stated.cached.images("test")[15], wanted)
    assert Reading(folder, bit_depth=11).manifest["pixels"]["clipped"] == {"test": 24, "train": 24}


def test_pictures_of_eight_and_of_sixteen_bits_may_be_mixed(tmp_path):
    folder = write_images(tmp_path / "mixed")
    counts = {name: numbers(number, low=20, high=900, size=(16, 16))
              for number, name in enumerate(("train/cat/03", "train/dog/00", "test/cat/07"))}  # fmt: skip
    for name, content in counts.items():
        (folder / f"{name}.png").write_bytes(encoded(content))
    reading = Reading(folder)
    assert reading.manifest["pixels"] == {"deep": {"test": 1, "train": 2}, "low": 20, "high": 900}
    train, test = (reading.cached.images(split) for split in ("train", "test"))
    for images, position, name in ((train, 3, "train/cat/03"), (train, 12, "train/dog/00"), (test, 7, "test/cat/07")):
        assert np.array_equal(images[position], np.repeat(scaled(counts[name][..., None], 20, 900), 3, axis=0))
    assert np.array_equal(train[4], noise(4).transpose(2, 0, 1))  # an 8-bit one, as it was
    assert np.array_equal(train[13], noise(1001).transpose(2, 0, 1))


def test_sixteen_bits_in_test_alone_are_refused_until_their_range_is_stated(tmp_path):
    folder = write_images(tmp_path / "mixed")
    (folder / "test" / "cat" / "00.png").write_bytes(encoded(GREY))
    assert "16-bit images in test and no visible one in train" in refused(folder)
    assert Reading(folder, bit_depth=16).manifest["pixels"]["high"] == 65535


def test_a_depth_that_nothing_needs_is_refused(tmp_path):
    assert "--bit-depth has no effect" in refused(write_images(tmp_path / "pets"), bit_depth=12)
    assert "--bit-depth has no effect" in refused("digits", bit_depth=12)
    with pytest.raises(InputError, match=r"bit_depth=8 is out of range. Use a number from 9 to 16"):
        Reading(tmp_path / "pets", bit_depth=8)


def test_nothing_but_the_cache_s_files_stays_of_what_was_put_aside(tmp_path):
    cached = Reading(deep(tmp_path / "scans", sensor)).cached
    names = {path.name for path in cached.folder.iterdir()} - {"manifest.json"}
    assert names == set(cached.manifest.files)
    assert cached.verified().manifest.files["train-images.u8"].bytes == 24 * 3 * 16 * 16


def test_what_is_put_aside_needs_room_on_the_disk_too(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    folder = deep(tmp_path / "scans", sensor)
    monkeypatch.setenv("ISOSCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("app.data.store.room._BESIDE", 0)
    free = int(1.05 * 48 * 3 * 16 * 16) + 1000  # the cache itself, and the counts of a few images
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, free))
    with pytest.raises(DiskFull, match="needs more than"):
        Reading(folder)
    assert not list((tmp_path / "cache" / "data").glob("*/"))


WHOLE = [*(make(GREY) for make in GREY_FILES.values()), *(make(COLOUR) for make in COLOUR_FILES.values()),
         *(made[0]() for made in CLEAR.values())]  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL's, of damaged tags
@given(st.sampled_from(WHOLE), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_decoded_or_refused_never_more(whole, data):
    content = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        pixels = stored(content, side=8, channels=3, decoding=at((300, 2000)))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert (pixels.shape, pixels.dtype) == ((3, 8, 8), np.uint8)
