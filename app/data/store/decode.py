"""Decoding of an encoded image to the uint8 square or rectangle that the cache stores."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from ...errors import InputError
from ...tables.decoding import Decoding
from ...tables.shape import Extent, plane
from .counts import Counts
from .deep import counts_of

MOST_BYTES = 256 * 10**6  # of an encoded image
_MOST_PIXELS = 178_956_970  # PIL calls more a decompression bomb; a microscope's slide is allowed
Image.MAX_IMAGE_PIXELS = _MOST_PIXELS  # PIL's default is half of this and only warns; it fails at twice its limit
# A picture that PIL can read is read, whether or not PIL warns about its tags, and whatever Python's filters are.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)  # the same message for both
_DEEP = {"I": "whole numbers of 32 bits", "F": "floating-point numbers"}  # modes whose range is not in the file
_OF_FEW_BITS = {"L;2": 85, "L;4": 17}  # 8-bit levels per level of the file, by PIL's raw mode


class Picture(NamedTuple):
    """An image at its stored side."""

    pixels: np.ndarray | None  # uint8 (channels, H, W); None: 16-bit counts whose range is not known yet
    transparent: bool = False  # whether any pixel was transparent
    counts: Counts | None = None


def read(image: bytes | np.ndarray, *, side: Extent, channels: int, decoding: Decoding) -> Picture:
    """Decode an image and squash it to (H, W) as torchvision's `Resize((H, W))` does, H = W = `side`.

    Raises InputError for bytes that are not a complete image, for more than 256 MB or 178,956,970 pixels, and for
    pixels whose range is unknown (32-bit and floating-point numbers).
    """
    if not len(image):
        raise InputError("there is no image")
    if len(image) > MOST_BYTES:
        raise too_many_bytes()
    height, width = plane(side)
    with _sentences():
        if isinstance(image, np.ndarray):
            upright = Image.fromarray(image)
        else:
            picture = _opened(image)
            if decoding.revision > 1 and (counts := counts_of(image, picture, size=(width, height))):
                return Picture(None, counts.transparent, counts)
            upright = _upright(picture)
        transparent = False
        if decoding.revision > 1:
            upright, transparent = _on_white(upright)
        _require_range(upright)
        return Picture(_squashed(_shortened(upright), (width, height), channels), transparent)


def stored(image: bytes | np.ndarray, *, side: Extent, channels: int, decoding: Decoding | None = None) -> np.ndarray:
    """Return one image as the cache stores it: uint8 (channels, H, W).

    Raises InputError as `read` does, and for a 16-bit image if the decoding has no range.
    """
    decoding = decoding or Decoding()
    picture = read(image, side=side, channels=channels, decoding=decoding)
    if picture.counts is None:
        assert picture.pixels is not None
        return picture.pixels
    if decoding.span is None:
        raise InputError("the image has 16 bits, but no training image of this run had. Convert it to 8 bits")
    return picture.counts.eight_bit(decoding.span, channels)


def too_many_bytes() -> InputError:
    """Return the error for an encoded image of more than MOST_BYTES."""
    return InputError(f"the encoded image has more than {MOST_BYTES // 10**6} MB. Make it smaller or omit it")


def _squashed(picture: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return the picture's 8-bit channels, resized: uint8 (channels, H, W)."""
    picture = picture.convert("RGB" if channels == 3 else "L")
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BILINEAR)  # PIL's bilinear is antialiased
    return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)  # (H, W, C) -> (C, H, W)


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn any error of a decoder into an InputError.

    MemoryError passes, since it is not caused by the image.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"it has more than {_MOST_PIXELS:,} pixels. Make it smaller or omit it") from error
    except UnidentifiedImageError as error:
        raise InputError("the bytes are not a readable image (of no known format)") from error
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"the bytes are not a readable image ({reason})") from error


def _opened(image: bytes) -> ImageFile.ImageFile:
    """Return the picture after reading its header but not its pixels."""
    picture = Image.open(io.BytesIO(image))
    assert isinstance(picture, ImageFile.ImageFile)
    if picture.width * picture.height > _MOST_PIXELS:
        raise Image.DecompressionBombError
    if picture.format == "PNG" and picture.mode == "L" and isinstance(key := picture.info.get("transparency"), int):
        args = picture.tile[0].args if picture.tile else ""
        picture.info["transparency"] = key * _OF_FEW_BITS.get(str(args), 1)  # PIL scales only the pixels
    return picture


def _upright(picture: ImageFile.ImageFile) -> Image.Image:
    """Return the decoded picture without its camera's rotation. PGM's numbers of up to 16 bits become `I;16`."""
    upright = ImageOps.exif_transpose(picture)
    return upright.convert("I;16") if picture.format == "PPM" and picture.mode == "I" else upright


def _on_white(picture: Image.Image) -> tuple[Image.Image, bool]:
    """Return the picture on a white background, and whether a pixel was transparent."""
    if not picture.has_transparency_data:
        return picture, False
    clear = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
    opacity, ground = clear.getchannel("A"), Image.new("RGB", picture.size, "white")
    ground.paste(clear, mask=opacity)  # round((opacity * pixel + (255 - opacity) * 255) / 255)
    return ground, int(np.asarray(opacity).min()) < 255


def _require_range(picture: Image.Image) -> None:
    """Raise InputError for pixels whose black and white are not known from the file."""
    if picture.mode in _DEEP:
        what = f"its pixels are {_DEEP[picture.mode]} (mode {picture.mode}), whose black and white are unknown"
        raise InputError(f"{what}. Convert it to 8-bit or 16-bit grey, or to RGB")


def _shortened(picture: Image.Image) -> Image.Image:
    """Return a 16-bit grey image in 8 bits as in revision 1: divided by 257, so that black and white are kept."""
    if not picture.mode.startswith("I;16"):
        return picture
    return Image.fromarray(((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8))
