"""One corruption of `robust`: its name, its set, and its constants at severities 1 to 5 by the side of the image."""

from __future__ import annotations

from typing import NamedTuple

from .shape import Extent, plane

PUBLISHED = (32, 64, 224)  # sides in pixels with published constants: CIFAR-C, Tiny ImageNet-C, ImageNet-C

Constants = tuple[float, ...]  # of one severity
Five = tuple[Constants, ...]  # by severity


class Corruption(NamedTuple):
    """One corruption: its name as in the published files, its set, and the constants of five severities."""

    name: str
    does: str  # for the table in docs/robust.md
    set: str  # benchmark: of the 15 | extra: the other four of ImageNet-C | c_bar | own | histology | signal | field
    of_32: Five
    of_64: Five
    of_224: Five
    lengths: tuple[int, ...] = ()  # places of constants that are lengths in pixels
    at_side: int | None = None  # at which lengths are stated; None: lengths are stated at 224, and grow above it only
    kind: str = "image"  # of inputs: image | signal | field
    colour: bool = False  # whether it needs three channels
    revision: int = 1  # of its pixels; predictions for an earlier one are not used

    def at(self, side: Extent, severity: int) -> Constants:
        """Return the constants at this side: those of the nearest published side below it, or of 32.

        Above 224 pixels, lengths grow in proportion to the side. If their side is stated, they are shares of it at any
        side. A rectangle counts as its shorter side. Constants of signals and fields do not depend on the size.
        """
        if self.kind != "image":
            return self.of_224[severity - 1]
        shorter = min(plane(side))
        chosen = of_side(side)
        found = {32: self.of_32, 64: self.of_64, 224: self.of_224}[chosen][severity - 1]
        grow = shorter / self.at_side if self.at_side else max(1.0, shorter / PUBLISHED[-1])
        return tuple(value * grow if place in self.lengths else value for place, value in enumerate(found))


def of_side(side: Extent) -> int:
    """Return the published side whose constants apply: the largest one that is not above the side, or 32."""
    return max((each for each in PUBLISHED if each <= min(plane(side))), default=PUBLISHED[0])


def each(*values: float) -> Five:
    """Return five severities with one constant each."""
    return tuple((value,) for value in values)


def measured(
    name: str, does: str, of: str, *values: float, at_side: int | None = None, colour: bool = False
) -> Corruption:
    """Return a corruption of the set `of` with one constant per severity at every side.

    With `at_side`, the constant is a length in pixels at that side.
    """
    five, kind = each(*values), of if of in ("signal", "field") else "image"
    lengths = (0,) if at_side else ()
    return Corruption(name, does, of, five, five, five, lengths, at_side, kind, colour)
