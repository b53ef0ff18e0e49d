"""Stored images: torchvision's resize, whatever the file's mode, or a sentence."""

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode, Resize

from app.data.decode import stored
from app.errors import InputError

from .pictures import encoded, noise

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


@pytest.mark.parametrize("content", [b"no image", encoded(noise(7))[:200], encoded(noise(7), "jpeg")[:-60]])
def test_bytes_that_are_no_whole_image_are_refused(content):
    with pytest.raises(InputError, match="not a readable image"):
        stored(content, side=16, channels=3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [100, 1000])  # beyond twice PIL's own bound it raises by itself
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch, limit):
    monkeypatch.setattr("app.data.decode._MOST_PIXELS", 500)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(InputError, match="more than 500 pixels"):
        stored(encoded(noise(8, size=(32, 32))), side=16, channels=3)
