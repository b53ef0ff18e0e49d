"""From an encoded image to the uint8 square, or rectangle, that the cache stores."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...errors import InputError
from ...tables.shape import Extent, plane

MOST_BYTES = 256 * 10**6  # of an encoded image
_MOST_PIXELS = 178_956_970  # where PIL itself speaks of a decompression bomb; a microscope's slide passes
Image.MAX_IMAGE_PIXELS = _MOST_PIXELS  # PIL's own is half of that, where it only warns; twice this is its error
warnings.simplefilter("error", Image.DecompressionBombWarning)  # the same sentence for both
_DEEP = {"I": "whole numbers of 32 bits", "F": "floating-point numbers"}  # modes whose range a file does not tell


def stored(image: bytes | np.ndarray, *, side: Extent, channels: int) -> np.ndarray:
    """Decodes, squashes to (H, W) as torchvision's `Resize((H, W))` does: -> uint8 (channels, H, W), H = W = `side`.

    16 bits become 8 by 1 / 257, so that black and white stay. Raises InputError for bytes that are no whole image, for
    more than 256 MB or 178,956,970 pixels, and for pixels whose range is unknown (32-bit and floating-point numbers).
    """
    if not len(image):
        raise InputError("there is no image")
    if len(image) > MOST_BYTES:
        raise too_many_bytes()
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else _decoded(image)
    picture = _eight_bit(picture).convert("RGB" if channels == 3 else "L")
    height, width = plane(side)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)  # PIL's bilinear is antialiased
    return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)  # (H, W, C) -> (C, H, W)


def too_many_bytes() -> InputError:
    """What an encoded image beyond MOST_BYTES is refused with."""
    return InputError(f"the encoded image has more than {MOST_BYTES // 10**6} MB; make it smaller or leave it out")


def _decoded(image: bytes) -> Image.Image:
    """The picture, upright; PGM's numbers of up to 16 bits become `I;16`. Raises InputError for bytes that are none."""
    try:
        picture = Image.open(io.BytesIO(image))
        if picture.width * picture.height > _MOST_PIXELS:
            raise Image.DecompressionBombError
        upright = ImageOps.exif_transpose(picture)
        return upright.convert("I;16") if picture.format == "PPM" and picture.mode == "I" else upright
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"it has more than {_MOST_PIXELS:,} pixels; make it smaller or leave it out") from error
    except UnidentifiedImageError as error:
        raise InputError("the bytes are not a readable image (of no known format)") from error
    except Exception as error:  # a decoder meets damage with whatever it stumbled over
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"the bytes are not a readable image ({reason})") from error


def _eight_bit(picture: Image.Image) -> Image.Image:
    """A grey image of more than 8 bits in 8 bits; `convert` would clip it at 255."""
    if picture.mode in _DEEP:
        what = f"its pixels are {_DEEP[picture.mode]} (mode {picture.mode}), whose black and white are not known"
        raise InputError(f"{what}; convert it to 8-bit or 16-bit grey, or to RGB")
    if not picture.mode.startswith("I;16"):
        return picture
    return Image.fromarray(((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8))
