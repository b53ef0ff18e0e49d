"""The conversion of encoded images to stored arrays, as options, run names and caches describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_BITS, MOST_BITS = 9, 16  # of a count in a 16-bit image


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """The rules for transparency and value range, and for images that cannot be read.

    Revision 1 drops the opacity of transparent pixels and divides 16-bit counts by 257. Revision 2 composes transparent
    pixels onto white and scales 16-bit counts from the range that they use to 0..255.
    """

    revision: int = 1
    span: tuple[int, int] | None = None  # lowest and highest count; None: those of the training images
    skip_unreadable: bool = False


def decoding_of(fields: Mapping[str, Any]) -> Decoding:
    """Return the decoding in the fields of a request or a config."""
    bits = fields.get("bit_depth")
    return Decoding(
        revision=fields.get("decoding_revision") or 1,
        span=(0, 2**bits - 1) if bits else None,
        skip_unreadable=bool(fields.get("skip_unreadable")),
    )
