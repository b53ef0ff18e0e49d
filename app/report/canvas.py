"""The width of a figure, the size of its letters, and whether its caption is printed in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import InputError
from ..tables.ranges import check_known

USUAL = 8.5  # inches of a figure
FORMATS, USUAL_FORMATS = ("png", "svg", "pdf"), ("png", "svg")
LEAST, MOST = 2.5, 20.0  # inches
_COLUMN = 3.5  # inches, up to which letters have the sizes of a paper's column
_BODY, _COLUMN_BODY = 14, 8  # points of most letters, at the usual width and in a column
_COLUMN_LEAST, _COLUMN_MOST = 7, 9  # points
_DPI, _COLUMN_DPI = 200, 400  # dots per inch; half of it still shows every letter
_INCHES = {"in": 1.0, "mm": 1 / 25.4, "cm": 1 / 2.54}
_FORM = re.compile(rf"(\d+\.?\d*|\.\d+)\s*({'|'.join(_INCHES)})", re.ASCII)
_FORMS = "Write a number and its unit, such as 3.25in, 82mm or 8.2cm"


def _nobody(_text: str) -> None:
    """Ignore a caption."""


@dataclass(frozen=True)
class Canvas:
    """The width of a figure in inches (None: its usual width), whether title and caption are in it, its formats.

    Without the caption in the figure, `say` is called with the caption and the title as one line.
    """

    width: float | None = None
    caption: bool = True
    say: Callable[[str], None] = _nobody
    usual: float = USUAL
    formats: tuple[str, ...] = USUAL_FORMATS

    def of(self, usual: float) -> Canvas:
        """Return the canvas for a kind of figure that is usually `usual` inches wide."""
        return replace(self, usual=usual)

    @property
    def inches(self) -> float:
        """The width."""
        return self.usual if self.width is None else self.width

    @property
    def narrow(self) -> bool:
        """Whether the width is closer to a paper's column than to the usual width."""
        return self._share < 0.5

    @property
    def dpi(self) -> float:
        """Pixels per inch of a PNG: about 200, twice that below the usual width, for an integer number of pixels."""
        wanted = _DPI if self.inches >= self.usual else _COLUMN_DPI
        return (round(self.inches * wanted) + 1e-6) / self.inches

    @property
    def scale(self) -> float:
        """Lines and markers relative to those at the usual width."""
        return self.points(_BODY) / _BODY

    @property
    def shrunk(self) -> float:
        """The width relative to the usual one."""
        return self.inches / self.usual

    @property
    def _share(self) -> float:
        """0 up to the width of a column, 1 from the usual width on."""
        return min(max((self.inches - _COLUMN) / (self.usual - _COLUMN), 0.0), 1.0)

    def points(self, usual: float) -> float:
        """Return the size of letters that is `usual` points at the usual width, and 7 to 9 points in a column."""
        column = min(max(usual * _COLUMN_BODY / _BODY, _COLUMN_LEAST), _COLUMN_MOST)
        return column + self._share * (usual - column)


CANVAS = Canvas()


def formats(text: str) -> tuple[str, ...]:
    """Return the file formats in a text such as `pdf` or `png,svg`. Raise InputError for an unknown one."""
    found = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    for name in found:
        check_known("format", name, FORMATS)
    return found


def inches(text: str) -> float:
    """Return the width in inches of a text such as `3.25in`, `82mm` or `8.2cm`. Raise InputError for any other text."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise InputError(f"{text!r} is not a width with a unit. Valid units: {', '.join(_INCHES)}. {_FORMS}")
    width = float(found[1]) * _INCHES[found[2]]
    if not LEAST <= width <= MOST:
        raise InputError(f"{text!r} is {width:g}in wide. Valid widths: {LEAST:g}in to {MOST:g}in. {_FORMS}")
    return width
