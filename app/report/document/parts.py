"""The parts of a document: texts with numbers that know where they are from, tables, figures and sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of runs: how it is shown, its value, the runs, and the key path in their records or the computation.

    `path` is a key path, such as `results.test.top1`, for one run. For several runs it names the computation and what
    it is computed from: `mean(results.test.top1)`.
    """

    text: str
    value: float
    runs: tuple[str, ...]
    path: str


@dataclass(frozen=True)
class Link:
    """A text that leads to an address: `#id`, a relative path, or one that begins with https://."""

    text: str
    address: str


@dataclass(frozen=True)
class Code:
    """A name, a setting or a short command."""

    text: str


@dataclass(frozen=True)
class Strong:
    """A text with emphasis."""

    text: str


@dataclass(frozen=True)
class RunName:
    """The ID of a run, which leads to its record."""

    text: str


Inline = str | Number | Link | Code | Strong | RunName
Text = tuple[Inline, ...]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. `role` is `verdict` for the answer, `note` for a remark, and else empty."""

    text: Text
    role: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list of texts."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Commands:
    """Lines to paste into a terminal or a file. `about` names them for a reader."""

    lines: tuple[str, ...]
    about: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose first column names its rows. `right` are the places of columns with numbers."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure: an SVG as matplotlib writes it, with its numbers as tables."""

    key: str  # part of the IDs in the page
    title: str
    description: str  # what a reader sees in the figure
    caption: Text
    svg: str
    tables: tuple[Table, ...]


Block = Paragraph | Bullets | Commands | Table | Figure


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with what is below it."""

    key: str
    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Document:
    """A report. `records` has the address of each run's record, by run ID."""

    title: str
    about: str  # one line: what was computed when by which version
    sections: tuple[Section, ...]
    records: dict[str, str] = field(default_factory=dict)


def blocks(sections: Sequence[Section]) -> Iterator[Block]:
    """Yield the blocks of sections and of the sections in them, in order."""
    for section in sections:
        yield from section.blocks
        yield from blocks(section.sections)


def texts(block: Block) -> Iterator[Text]:
    """Yield the texts of a block in order; of a figure, its caption and the cells of its tables."""
    if isinstance(block, Paragraph):
        yield block.text
    elif isinstance(block, Bullets):
        yield from block.items
    elif isinstance(block, Table):
        yield from (cell for row in block.rows for cell in row)
    elif isinstance(block, Figure):
        yield block.caption
        yield from (cell for table in block.tables for row in table.rows for cell in row)


def numbers(document: Document) -> Iterator[Number]:
    """Yield every number of a document, in order."""
    for block in blocks(document.sections):
        for text in texts(block):
            yield from (part for part in text if isinstance(part, Number))


def plain(text: Text) -> str:
    """Return a text without its marks."""
    return "".join(part if isinstance(part, str) else part.text for part in text)
