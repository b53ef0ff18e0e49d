"""Reading 16-bit pictures: the counts in the file, since Pillow's conversion keeps only one byte of two."""

from __future__ import annotations

import io
import sys

import numpy as np
from PIL import Image, ImageFile, ImageOps

from .counts import MOST, Counts

# Pillow reads one byte of each 16-bit number of a colour file: the first of B, the second of L, the high one of N.
_HIGH_FIRST = {"B": True, "L": False, "N": sys.byteorder == "big"}


def counts_of(image: bytes, picture: ImageFile.ImageFile, *, size: tuple[int, int]) -> Counts | None:
    """Return the counts of an opened picture at `size`, (width, height), or None for at most 8 bits per channel."""
    found = _of_netpbm(image, picture) if picture.format == "PPM" else _of_rawmode(image, picture)
    if found is None:
        return None
    colours, opacity = found  # (H, W, C) and (H, W)
    visible = colours if opacity is None else colours[opacity > 0]
    low, high = (int(visible.min()), int(visible.max())) if visible.size else (MOST, 0)
    shown = None if opacity is None or (opacity == 1).all() else opacity
    planes = [_resized(colours[..., band], shown, size) for band in range(colours.shape[2])]
    planes += [] if shown is None else [_resized(shown, None, size)]
    return Counts(np.stack(planes), low, high, shown is not None)


def _resized(plane: np.ndarray, opacity: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """Return a plane (H, W), times the opacity, at another size: float32."""
    numbers = plane.astype(np.float32)
    picture = Image.fromarray(numbers if opacity is None else numbers * opacity)
    return np.asarray(picture if picture.size == size else picture.resize(size, Image.Resampling.BILINEAR))


def _of_netpbm(image: bytes, picture: ImageFile.ImageFile) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Return the two-byte numbers of a PGM or PPM file, which Pillow scales by the header's maximum.

    The result is None for at most 8 bits per channel.
    """
    (width, height), offset, args = picture.size, picture.tile[0].offset, picture.tile[0].args
    most = args[-1] if isinstance(args, tuple) else MOST if picture.mode == "I" else 255
    if not isinstance(most, int) or most < 256:
        return None
    bands = len(picture.getbands())
    if image[:2] in (b"P5", b"P6"):
        numbers = np.frombuffer(image, ">u2", width * height * bands, offset)
        return numbers.astype(np.uint16).reshape(height, width, bands), None
    if picture.mode != "I":
        return None  # a plain PPM in colour: Pillow scales it to 8 bits by its maximum
    return np.rint(np.asarray(picture) * (most / MOST)).astype(np.uint16)[..., None], None


def _of_rawmode(image: bytes, picture: ImageFile.ImageFile) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Return the counts (H, W, C) and opacity (H, W) of any other file, upright, or None for at most 8 bits."""
    key = picture.info.get("transparency")
    if picture.mode.startswith("I;16"):
        colours = np.asarray(ImageOps.exif_transpose(picture)).astype(np.uint16)[..., None]
        return colours, _keyed(colours, key)
    layout, _, order = _rawmode(picture).partition(";16")
    if layout == "LA" and order == "B":
        read = _bytes_as(image, "RGBA").astype(np.uint16)  # two bytes of grey, two of opacity
        both = read[..., 0::2] * 256 + read[..., 1::2]
        return both[..., :1], both[..., 1] / np.float32(MOST)
    if layout not in ("RGB", "RGBX", "RGBA", "RGBa") or order not in _HIGH_FIRST:
        return None
    high, low = ("B", "L") if _HIGH_FIRST[order] else ("L", "B")
    plain = layout.replace("a", "A")
    read = _bytes_as(image, f"{plain};16{high}").astype(np.uint16) * 256 + _bytes_as(image, f"{plain};16{low}")
    colours = read[..., :3]
    if read.shape[2] == 3:
        return colours, _keyed(colours, key)
    opacity = read[..., 3] / np.float32(MOST)
    if layout == "RGBa":  # the file has counts times opacity
        whole = colours / np.maximum(opacity, 1 / MOST)[..., None]
        colours = np.minimum(np.rint(whole), MOST).astype(np.uint16)
    return colours, opacity


def _rawmode(picture: ImageFile.ImageFile) -> str:
    """Return the file's order of bits as Pillow's decoder names it, or "" if the decoder has no such value."""
    args = picture.tile[0].args if picture.tile else ""
    found = args[0] if isinstance(args, tuple) and args else args
    return found if isinstance(found, str) else ""


def _bytes_as(image: bytes, rawmode: str) -> np.ndarray:
    """Return the picture's 8-bit channels if its bits are read in another raw mode, upright."""
    picture = Image.open(io.BytesIO(image))
    assert isinstance(picture, ImageFile.ImageFile)
    picture.tile = [
        tile._replace(args=(rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode)
        for tile in picture.tile
    ]
    return np.asarray(ImageOps.exif_transpose(picture))


def _keyed(colours: np.ndarray, key: object) -> np.ndarray | None:
    """Return the opacity if one colour is marked as transparent: float32 (H, W). None if no colour is."""
    if not isinstance(key, int | tuple):
        return None
    return (colours != np.array(key, np.uint16)).any(2).astype(np.float32)
