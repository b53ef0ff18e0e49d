"""Tables for a terminal or a file: aligned columns, as wide as their text, or folded if the terminal is narrower."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import zip_longest

from .printable import printable

_GAP = 3  # characters between two columns
_LEAST = 8  # least characters of a folded column


def columns(
    heads: Sequence[str], lines: Sequence[Sequence[object]], *, width: int | None = None, folds: Sequence[str] = (),
    left: Collection[str] = (),
) -> str:  # fmt: skip
    """Return a table as text. Numbers are aligned to the right, all else and the columns named in `left` to the left.

    If it is wider than `width` characters, the columns named in `folds` become narrower, starting with the first, and
    their cells continue in the next line. This is not left to `rich`, which takes about a millisecond per row.
    """
    rows = _printable(lines)
    wide = _widths([heads, *rows])
    if width is not None:
        _narrow(wide, [heads.index(head) for head in folds if head in heads], width)
    right = [
        head not in left and all(row[place][:1].isdigit() or row[place] in ("", "-") for row in rows)
        for place, head in enumerate(heads)
    ]
    rule = " ".join("-" * (each + 2) for each in wide)[1:-1]
    laid = [line for row in [heads, *rows] for line in _laid(row, wide, right)]
    head = len(_laid(heads, wide, right))
    return "\n".join([*laid[:head], rule, *laid[head:]])


def fitted(
    heads: Sequence[str], lines: Sequence[Sequence[object]], width: int | None, *, omits: Sequence[str],
    folds: Sequence[str] = (), left: Collection[str] = (),
) -> str:  # fmt: skip
    """Return a table that fits a terminal.

    The columns in `omits` are removed in their order, and a last line names them.
    """
    places = list(range(len(heads)))
    gone = []
    for head in omits:
        kept = [heads[place] for place in places]
        if width is not None and head in kept and total(kept, _only(lines, places)) > width:
            places.remove(heads.index(head))
            gone.append(head)
    table = columns([heads[place] for place in places], _only(lines, places), width=width, folds=folds, left=left)
    return f"{table}\nomitted, since the terminal is narrow: {', '.join(gone)}" if gone else table


def _only(lines: Sequence[Sequence[object]], places: Sequence[int]) -> list[list[object]]:
    return [[line[place] for place in places] for line in lines]


def total(heads: Sequence[str], lines: Sequence[Sequence[object]]) -> int:
    """Return how many characters wide a table is, if nothing is folded."""
    wide = _widths([heads, *_printable(lines)])
    return sum(wide) + _GAP * (len(wide) - 1)


def _printable(lines: Sequence[Sequence[object]]) -> list[list[str]]:
    """Return the cells as text that is safe on a terminal.

    Each distinct text is converted once, since most cells repeat.
    """
    texts = [[str(cell) for cell in line] for line in lines]
    shown = {text: printable(text) for text in {text for line in texts for text in line}}
    return [[shown[text] for text in line] for line in texts]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def _narrow(wide: list[int], folded: list[int], width: int) -> None:
    """Narrow the folded columns, one after the other, until the table fits or none can become narrower."""
    over = sum(wide) + _GAP * (len(wide) - 1) - width
    for place in folded:
        taken = max(0, min(over, wide[place] - _LEAST))
        wide[place] -= taken
        over -= taken


def _laid(row: Sequence[str], wide: Sequence[int], right: Sequence[bool]) -> list[str]:
    """Return the lines of one row. A cell that is wider than its column is cut into several lines."""
    from rich.cells import cell_len, chop_cells

    parts = [[cell] if cell_len(cell) <= most else chop_cells(cell, most) for cell, most in zip(row, wide, strict=True)]
    laid = []
    for line in zip_longest(*parts, fillvalue=""):
        padded = []
        for cell, most, numeric in zip(line, wide, right, strict=True):
            blank = " " * (most - cell_len(cell))
            padded.append(blank + cell if numeric else cell + blank)
        laid.append((" " * _GAP).join(padded).rstrip())
    return laid
