"""From an encoded image to the uint8 square that the cache stores."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from app.errors import InputError

_MOST_PIXELS = 1 << 28  # a microscope's slide passes, a decompression bomb does not
Image.MAX_IMAGE_PIXELS = _MOST_PIXELS  # PIL's own bound is lower; beyond it PIL warns and, from twice that, raises


def stored(image: bytes | np.ndarray, *, side: int, channels: int) -> np.ndarray:
    """Decodes, squashes to a square as torchvision's `Resize((side, side))` does: -> uint8 (channels, side, side).

    Of 16 bits the upper 8 are kept. Raises InputError for bytes that are no image or have too many pixels.
    """
    if not len(image):
        raise InputError("there is no image")
    try:
        picture = Image.fromarray(image) if isinstance(image, np.ndarray) else Image.open(io.BytesIO(image))
        if picture.width * picture.height > _MOST_PIXELS:
            raise Image.DecompressionBombError
        picture = _eight_bit(ImageOps.exif_transpose(picture)).convert("RGB" if channels == 3 else "L")
    except Image.DecompressionBombError as error:
        raise InputError(f"it has more than {_MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise InputError("the bytes are not a readable image (of no known format)") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"the bytes are not a readable image ({error})") from error
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BILINEAR)  # PIL's bilinear is antialiased
    return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)  # (S, S, C) -> (C, S, S)


def _eight_bit(picture: Image.Image) -> Image.Image:
    """A 16-bit grey image in 8 bits; `convert` would clip it at 255."""
    if not picture.mode.startswith("I;16"):
        return picture
    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
