"""Files of 16-bit numbers that Pillow cannot write, and what such an image becomes, written out in numpy."""

import struct
import zlib

import numpy as np

from .pictures import encoded

BANDS = {0: 1, 2: 3, 4: 2, 6: 4}  # of PNG's colour types


def png(numbers, *, bits=16, key=None, palette=None):
    """An (H, W, C) array as PNG of any depth; `key` is its transparent colour."""
    height, width, bands = numbers.shape
    colour = 3 if palette is not None else {count: kind for kind, count in BANDS.items()}[bands]
    lines = (b"\0" + _packed(line, bits) for line in numbers)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    chunks += [] if palette is None else [(b"PLTE", palette)]
    chunks += [] if key is None else [(b"tRNS", struct.pack(f">{len(key)}H", *key))]
    chunks += [(b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b"")]
    parts = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
             for name, data in chunks)  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _packed(line, bits):
    if bits == 16:
        return line.astype(">u2").tobytes()
    ones = (line.reshape(-1, 1) >> np.arange(bits)[::-1]) & 1
    return np.packbits(ones.astype(np.uint8).ravel()).tobytes()


def tiff(numbers, *, order="<", extra=()):
    """An (H, W, 3 or 4) array as TIFF of one strip; `extra` is (1,) for counts times opacity, else (2,)."""
    height, width, bands = numbers.shape
    content = numbers.astype(f"{order}u2").tobytes()
    entries = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, [16] * bands), (259, 3, [1]), (262, 3, [2]), (273, 4, [8]),
        (277, 3, [bands]), (278, 3, [height]), (279, 4, [len(content)]),
    ]  # fmt: skip
    entries += [(338, 3, list(extra))] if extra else []
    at = 8 + len(content)
    more_at, table, more = at + 2 + 12 * len(entries) + 4, b"", b""
    for tag, kind, values in entries:
        data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            data, more = struct.pack(f"{order}I", more_at + len(more)), more + data
        table += struct.pack(f"{order}HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, at)
    return head + content + struct.pack(f"{order}H", len(entries)) + table + bytes(4) + more


def pgm(numbers, most=65535, *, plain=False):
    """An (H, W) or (H, W, 3) array as a portable grey or colour map of two bytes a number."""
    grey = numbers.ndim == 2
    name = {(True, False): "P5", (True, True): "P2", (False, False): "P6"}[grey, plain]
    head = f"{name}\n{numbers.shape[1]} {numbers.shape[0]}\n{most}\n".encode()
    return head + (" ".join(map(str, numbers.ravel())).encode() if plain else numbers.astype(">u2").tobytes())


GREY_FILES = {
    "png": lambda numbers: encoded(numbers),
    "tiff little-endian": lambda numbers: encoded(numbers, "tiff"),
    "tiff big-endian": lambda numbers: encoded(_big(numbers), "tiff"),
    "tiff lzw": lambda numbers: encoded(numbers, "tiff", compression="tiff_lzw"),
    "jpeg 2000": lambda numbers: encoded(numbers, "jpeg2000", irreversible=False),
    "pgm": lambda numbers: pgm(numbers),
    "pgm of its own maximum": lambda numbers: pgm(numbers, max(256, int(numbers.max()))),
    "plain pgm": lambda numbers: pgm(numbers, plain=True),
}
COLOUR_FILES = {
    "png": lambda numbers: png(numbers),
    "tiff little-endian": lambda numbers: tiff(numbers),
    "tiff big-endian": lambda numbers: tiff(numbers, order=">"),
    "ppm": lambda numbers: pgm(numbers),
}


def _big(numbers):
    from PIL import Image

    height, width = numbers.shape
    return Image.frombytes("I;16B", (width, height), numbers.astype(">u2").tobytes())


def scaled(counts, low, high, *, opacity=None, side=None):
    """The definition: 255 (count - low) / (high - low), clipped, on white, resized: (H, W, C) -> uint8 (C, H, W)."""
    opacity = np.ones(counts.shape[:2]) if opacity is None else opacity
    levels = (counts.astype(float) - low) * 255 / max(high - low, 1)
    levels = np.clip(levels, 0, 255) * opacity[..., None] + 255 * (1 - opacity[..., None])
    if side is not None:
        rows, columns = (_triangle(size, side) for size in counts.shape[:2])
        levels = np.einsum("ih,hwc,jw->ijc", rows, levels, columns)
    return np.floor(levels + 0.5).astype(np.uint8).transpose(2, 0, 1)


def _triangle(size, side):
    """The weights of an antialiased linear resize: (side, size)."""
    scale = size / side
    distance = (np.arange(size) + 0.5 - (np.arange(side)[:, None] + 0.5) * scale) / max(scale, 1)
    weights = np.maximum(0, 1 - abs(distance))
    return weights / weights.sum(1, keepdims=True)
