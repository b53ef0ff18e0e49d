"""Tables for a terminal or a file: straight columns, as wide as their text."""

from __future__ import annotations

from collections.abc import Sequence

from .printable import printable

_RULE_UNDER_HEADS = (
    "    \n    \n -  \n    \n    \n    \n    \n    \n"  # rich's box, line by line: only the third is drawn
)
_WIDEST = 10_000  # characters; a line that a terminal cannot show is wrapped there, and kept in a file


def columns(heads: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Return a table of text: numbers to the right, everything else to the left."""
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [[printable(cell) for cell in line] for line in lines]
    table = Table(box=Box(_RULE_UNDER_HEADS, ascii=True), pad_edge=False, show_edge=False)
    for place, head in enumerate(heads):
        numeric = all(row[place][:1].isdigit() or row[place] in ("", "-") for row in rows)
        table.add_column(Text(head), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=_WIDEST, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
