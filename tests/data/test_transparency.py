"""Transparent pixels are composed onto white before anything else becomes of them."""

import numpy as np
import pytest
from PIL import Image

from app.data.store.decode import read, stored
from app.tables.decoding import Decoding

from .deep_files import png
from .pictures import encoded, noise, write_hub, write_images
from .reading import Reading

NOW, BEFORE = Decoding(revision=2), Decoding()
SIDE = 24
COLOUR, OPACITY = noise(1, size=(SIDE, SIDE)), noise(2, size=(SIDE, SIDE), channels=1)
GREY = noise(3, size=(SIDE, SIDE), channels=1)


def on_white(colour, opacity):
    """The definition, rounded: (H, W, 3) and (H, W) in 0..255 -> uint8 (3, H, W)."""
    share = opacity[..., None] / 255
    return np.floor(colour * share + 255 * (1 - share) + 0.5).astype(np.uint8).transpose(2, 0, 1)


def palette(kind, **options):
    """A picture of 16 colours, its colours as RGB, and the indices."""
    indices = noise(4, size=(SIDE, SIDE), channels=1) % 16
    colours = noise(5, size=(16, 1))[0]
    picture = Image.fromarray(indices)
    picture.putpalette(colours.tobytes())
    return encoded(picture, kind, **options), colours[indices], indices


def rgba():
    return np.dstack([COLOUR, OPACITY])


def three(grey):
    return np.dstack([grey] * 3)


def with_one_clear_colour(kind):
    content, colours, indices = palette(kind, transparency=3)
    return content, colours, np.where(indices == 3, 0, 255)


def with_an_opacity_for_each_colour():
    opacities = noise(6, size=(16, 1), channels=1)[0]
    content, colours, indices = palette("png", transparency=opacities.tobytes())
    return content, colours, opacities[indices]


def palette_and_opacity(kind):
    _, colours, indices = palette("png")
    both = Image.merge("PA", [Image.fromarray(indices), Image.fromarray(OPACITY)])
    both.putpalette(noise(5, size=(16, 1))[0].tobytes())
    return encoded(both, kind), colours, OPACITY


def keyed_colour():
    key = tuple(int(value) for value in COLOUR[3, 5])
    return encoded(Image.fromarray(COLOUR), transparency=key), COLOUR, np.where((key == COLOUR).all(2), 0, 255)


def keyed_grey():
    key = int(GREY[3, 5])
    return encoded(Image.fromarray(GREY), transparency=key), three(GREY), np.where(key == GREY, 0, 255)


def keyed_grey_of(bits):
    numbers = GREY % 2**bits
    levels = numbers * (255 // (2**bits - 1))
    return png(numbers[..., None], bits=bits, key=[1]), three(levels), np.where(numbers == 1, 0, 255)


FILES = {
    "RGBA png": lambda: (encoded(Image.fromarray(rgba())), COLOUR, OPACITY),
    "RGBA webp": lambda: (encoded(Image.fromarray(rgba()), "webp", lossless=True, exact=True), COLOUR, OPACITY),
    "RGBA tiff": lambda: (encoded(Image.fromarray(rgba()), "tiff"), COLOUR, OPACITY),
    "RGBA tga": lambda: (encoded(Image.fromarray(rgba()), "tga"), COLOUR, OPACITY),
    "LA png": lambda: (encoded(Image.fromarray(np.dstack([GREY, OPACITY]))), three(GREY), OPACITY),
    "LA jpeg 2000": lambda: (encoded(Image.fromarray(np.dstack([GREY, OPACITY])), "jpeg2000", irreversible=False),
                             three(GREY), OPACITY),
    "P png, one clear colour": lambda: with_one_clear_colour("png"),
    "P gif, one clear colour": lambda: with_one_clear_colour("gif"),
    "P png, an opacity for each colour": with_an_opacity_for_each_colour,
    "PA": lambda: palette_and_opacity("tiff"),
    "RGB png, one clear colour": keyed_colour,
    "L png, one clear level": keyed_grey,
    "1 png, one clear level": lambda: keyed_grey_of(1),
    "L png of 2 bits, one clear level": lambda: keyed_grey_of(2),
    "L png of 4 bits, one clear level": lambda: keyed_grey_of(4),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_transparent_picture_is_composed_onto_white(name):
    content, colour, opacity = FILES[name]()
    picture = read(content, side=SIDE, channels=3, decoding=NOW)
    assert np.array_equal(picture.pixels, on_white(colour, opacity))
    assert picture.transparent


@pytest.mark.parametrize("name", FILES)
def test_it_is_composed_before_it_is_resized(name):
    content, colour, opacity = FILES[name]()
    flat = Image.fromarray(on_white(colour, opacity).transpose(1, 2, 0))
    wanted = np.asarray(flat.resize((10, 7), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(stored(content, side=(7, 10), channels=3, decoding=NOW), wanted)


def test_every_level_at_every_opacity_is_rounded_to_the_nearest():
    level, opacity = np.meshgrid(np.arange(256), np.arange(256))
    picture = np.dstack([level, level, level, opacity]).astype(np.uint8)
    got = stored(encoded(Image.fromarray(picture)), side=256, channels=3, decoding=NOW)
    assert np.array_equal(got, on_white(three(level), opacity))


def test_a_grey_store_takes_the_same_picture_as_one_channel():
    content = encoded(Image.fromarray(np.dstack([GREY, OPACITY])))
    got = stored(content, side=SIDE, channels=1, decoding=NOW)
    assert np.array_equal(got, on_white(three(GREY), OPACITY)[:1])


OPAQUE = {
    "RGBA": encoded(Image.fromarray(np.dstack([COLOUR, np.full_like(OPACITY, 255)]))),
    "P": palette("png")[0],
    "RGB": encoded(COLOUR),
    "L": encoded(GREY),
    "1": encoded(Image.fromarray(GREY).convert("1")),
    "CMYK": encoded(Image.fromarray(COLOUR).convert("CMYK"), "tiff"),
    "YCbCr": encoded(COLOUR, "jpeg"),
    "a colour that does not occur": encoded(Image.fromarray(COLOUR), transparency=(1, 2, 3)),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_an_opaque_picture_is_the_same_by_both_revisions_and_not_counted(name):
    picture = read(OPAQUE[name], side=16, channels=3, decoding=NOW)
    assert np.array_equal(picture.pixels, stored(OPAQUE[name], side=16, channels=3, decoding=BEFORE))
    assert not picture.transparent


def test_revision_1_drops_the_opacity_as_before():
    content = encoded(Image.fromarray(rgba()))
    assert np.array_equal(stored(content, side=SIDE, channels=3, decoding=BEFORE), COLOUR.transpose(2, 0, 1))


def test_a_camera_s_rotation_keeps_the_clear_colour():
    exif = Image.Exif()
    exif[0x0112] = 6
    _, colour, opacity = keyed_colour()
    turned = Image.fromarray(COLOUR).transpose(Image.Transpose.ROTATE_90)
    got = stored(encoded(turned, exif=exif, transparency=tuple(map(int, COLOUR[3, 5]))), side=SIDE, channels=3,
                 decoding=NOW)  # fmt: skip
    assert np.array_equal(got, on_white(colour, opacity))


def cut_outs(folder):
    """Two of the twelve dogs of test, and three cats of train, are transparent."""
    write_images(folder)
    for name, numbers in (("test/dog", (0, 5)), ("train/cat", (1, 2, 3))):
        for number in numbers:
            (folder / name / f"{number:02}.png").write_bytes(encoded(Image.fromarray(rgba())))
    return folder


def test_transparent_rows_are_counted_by_split_and_said(tmp_path):
    reading = Reading(cut_outs(tmp_path / "pets"))
    assert reading.manifest["pixels"] == {"transparent": {"test": 2, "train": 3}}
    assert "2 test, 3 train images of local/pets are transparent: composed onto white" in reading.said
    images = reading.cached.images("train")
    flat = Image.fromarray(on_white(COLOUR, OPACITY).transpose(1, 2, 0)).resize((16, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(images[1], np.asarray(flat).transpose(2, 0, 1))


def test_nothing_is_said_of_opaque_pictures(tmp_path):
    reading = Reading(write_images(tmp_path / "pets"))
    assert "pixels" not in reading.manifest and not any("transparent" in text for text in reading.said)


def test_a_dataset_without_a_row_is_decoded_by_revision_2_in_its_run_id_and_its_cache(tmp_path):
    reading = Reading(write_hub(tmp_path / "set", {"train": [0, 1] * 10}, ["a", "b"]))
    assert reading.config.to_json()["decoding_revision"] == 2
    assert reading.manifest["ask"]["decoding"] == {"revision": 2, "span": None, "skip_unreadable": False}


def test_a_dataset_with_a_row_keeps_revision_1_and_its_cache_s_name(cache_folder):
    reading = Reading("digits")
    assert "decoding_revision" not in reading.config.to_json() and "decoding" not in reading.manifest["ask"]
