"""Stored images: torchvision's resize, whatever the file's mode, or a sentence."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode, Resize

from app.data.store.decode import stored
from app.errors import InputError

from .pictures import encoded, noise

ROOT = Path(__file__).parents[2]
SIDES = pytest.mark.parametrize("side", [8, 24, 50])


def resized(picture, side):
    """torchvision's way: (S, S, C) -> (C, S, S)."""
    out = np.asarray(Resize((side, side), InterpolationMode.BILINEAR)(picture))
    return np.atleast_3d(out).transpose(2, 0, 1)


@SIDES
def test_colour_images_are_resized_as_torchvision_does(side):
    image = noise(1, size=(40, 24))
    assert np.array_equal(stored(encoded(image), side=side, channels=3), resized(Image.fromarray(image), side))


@SIDES
def test_grey_images_keep_one_channel_or_become_three_equal_ones(side):
    image = noise(2, size=(40, 24), channels=1)
    one, three = (stored(encoded(image), side=side, channels=channels) for channels in (1, 3))
    assert np.array_equal(one, resized(Image.fromarray(image), side))
    assert np.array_equal(three, np.repeat(one, 3, axis=0))


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "CMYK"])
def test_other_modes_are_converted_to_colour_before_the_resize(mode):
    picture = Image.fromarray(noise(3, size=(40, 24))).convert(mode)
    kind = "tiff" if mode == "CMYK" else "png"
    got = stored(encoded(picture, kind), side=16, channels=3)
    assert np.array_equal(got, resized(picture.convert("RGB"), 16))


def test_a_camera_s_rotation_is_undone():
    upright = Image.fromarray(noise(4, size=(16, 16)))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned by 90 degrees, to be turned clockwise
    turned = encoded(upright.transpose(Image.Transpose.ROTATE_90), exif=exif)
    assert np.array_equal(stored(turned, side=16, channels=3), np.asarray(upright).transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_shortened_to_eight_not_clipped(kind):
    image = noise(5, size=(40, 24), channels=1)
    deep = image.astype(np.uint16) * 257  # 0..65535
    for channels in (1, 3):
        expected = stored(encoded(image), side=16, channels=channels)
        assert np.array_equal(stored(encoded(deep, kind), side=16, channels=channels), expected)


def test_an_image_at_its_stored_side_is_kept_to_the_bit():
    image = noise(6, size=(32, 32))
    assert np.array_equal(stored(encoded(image), side=32, channels=3), image.transpose(2, 0, 1))


def pgm(levels, most):
    """A 2 x 2 portable greymap with two bytes a pixel."""
    return b"P5 2 2 %d\n" % most + np.array(levels, ">u2").tobytes()


def test_sixteen_bits_are_divided_by_257_and_rounded():
    levels = np.array([[0, 128, 129, 65535 - 128], [65535, 32767, 32768, 255]], np.uint16).repeat(2, axis=0)
    eight = stored(encoded(levels), side=4, channels=1)[0]
    assert np.array_equal(eight, np.rint(levels / 257).astype(np.uint8))
    for most in (65535, 4095):
        grey = stored(pgm([0, most // 2, most, most], most), side=2, channels=1)
        assert grey.ravel().tolist() == [0, 127, 255, 255]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_whose_range_no_file_tells_are_refused_with_what_to_convert_to(kind):
    deep = encoded(noise(5, channels=1).astype(kind), "tiff")
    with pytest.raises(InputError, match=r"mode [IF]\).*. Convert it to 8-bit or 16-bit grey, or to RGB"):
        stored(deep, side=16, channels=3)


@pytest.mark.parametrize("content", [b"no image", encoded(noise(7))[:200], encoded(noise(7), "jpeg")[:-60]])
def test_bytes_that_are_no_whole_image_are_refused(content):
    with pytest.raises(InputError, match="not a readable image"):
        stored(content, side=16, channels=3)


@pytest.mark.parametrize("bound", [100, 1000, 2000])  # PIL raises, PIL warns, PIL says nothing
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch, bound):
    monkeypatch.setattr("app.data.store.decode._MOST_PIXELS", 500)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", bound)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with pytest.raises(InputError, match=r"it has more than 500 pixels. Make it smaller"):
            stored(encoded(noise(8, size=(32, 32))), side=16, channels=3)


def test_a_bomb_says_one_sentence_and_nothing_beside_it():
    code = (
        "import io; from app.data.store.decode import _MOST_PIXELS, stored; from app.errors import InputError\n"
        "header = b'P5 200000 1000 255 '\n"
        "try: stored(header, side=8, channels=3)\n"
        "except InputError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert (said.stdout.strip(), said.stderr) == (
        "it has more than 178,956,970 pixels. Make it smaller or omit it",
        "",
    )


def test_a_file_of_too_many_bytes_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr("app.data.store.decode.MOST_BYTES", 10**6)
    with pytest.raises(InputError, match="the encoded image has more than 1 MB"):
        stored(bytes(10**6 + 1), side=16, channels=3)


WHOLE = [encoded(noise(9), kind) for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm")]


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL's, of damaged tags
@given(st.sampled_from(WHOLE), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_decoded_or_refused_never_more(whole, data):
    content = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        pixels = stored(bytes(content[: data.draw(st.integers(0, len(content)))]), side=8, channels=3)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert pixels.shape == (3, 8, 8)


def test_an_image_is_squashed_to_a_height_and_a_width():
    picture = noise(1, size=(20, 31))
    wanted = np.asarray(Image.fromarray(picture).resize((9, 14), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(stored(encoded(picture), side=(14, 9), channels=3), wanted)
