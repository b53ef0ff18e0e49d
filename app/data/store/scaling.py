"""The conversion of a dataset's 16-bit images to 8 bits, with one range for all splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from ...errors import InputError
from ..sources.source import Ask
from .aside import Aside
from .files import inputs_file
from .kept import Kept, moments_of
from .manifest import Pixels


def settle(ask: Ask, kept: Mapping[str, Kept], folder: Path, aside: Aside) -> Pixels | None:
    """Write the 16-bit images that were put aside into their splits' files, and return the facts of all images.

    The range is the decoding's, or else that of the training images. The result is None if all images have 8 bits and
    none has a transparent pixel. Raises InputError if no training image gives a range, and for a range that nothing
    needs.
    """
    transparent = {split: part.transparent for split, part in kept.items() if part.transparent}
    if not aside.rows:
        if ask.decoding.span and not ask.tested:
            raise InputError(f"--bit-depth has no effect on {ask.dataset}, which has no 16-bit images. Omit it")
        return Pixels(transparent=transparent) if transparent else None
    if ask.tested and not ask.decoding.span:
        raise InputError(
            f"{ask.dataset} has 16-bit images, but no training image of the run had. Convert them to 8 bits"
        )
    span = ask.decoding.span or aside.span("train")
    if span is None:
        where = ", ".join(aside.rows)
        raise InputError(
            f"{ask.dataset} has 16-bit images in {where} and no visible one in train, whose range would be used. "
            "State the range with --bit-depth, such as --bit-depth 16"
        )
    clipped = _written(ask, kept, folder, aside, span)
    return Pixels(transparent=transparent, deep=aside.rows, clipped=clipped, low=span[0], high=span[1])


def _written(ask: Ask, kept: Mapping[str, Kept], folder: Path, aside: Aside, span: tuple[int, int]) -> dict[str, int]:
    """Write every image at its position, and return the rows of each split with a count outside the range."""
    clipped: Counter[str] = Counter()
    with ExitStack() as opened:
        files = {s: opened.enter_context((folder / inputs_file(s, "uint8")).open("r+b")) for s in aside.rows}
        for split, position, counts in aside.counts():
            pixels = counts.eight_bit(span, ask.channels)
            files[split].seek(position * pixels.nbytes)
            files[split].write(pixels.tobytes())
            kept[split].moments[position] = moments_of(pixels)
            clipped[split] += counts.outside(span)
    return {split: rows for split, rows in clipped.items() if rows}
