"""From an encoded image to the uint8 square that the cache stores."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from app.errors import InputError

Image.MAX_IMAGE_PIXELS = 256 * 1024 * 1024  # a microscope's slide passes, a decompression bomb does not


def stored(image: bytes | np.ndarray, *, side: int, channels: int) -> np.ndarray:
    """Decodes, squashes to a square as torchvision's `Resize((side, side))` does: -> uint8 (channels, side, side).

    Raises InputError for bytes that are no image or have too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened: Any = Image.fromarray(image) if isinstance(image, np.ndarray) else Image.open(io.BytesIO(image))
            picture = ImageOps.exif_transpose(opened).convert("RGB" if channels == 3 else "L")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"an image has more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"the bytes are not a readable image ({error})") from error
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BILINEAR)  # PIL's bilinear is antialiased
    return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)  # (S, S, C) -> (C, S, S)
