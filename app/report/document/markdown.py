"""A document as Markdown, for a terminal, a card or an issue: the same texts, tables and numbers without pictures."""

from __future__ import annotations

from collections.abc import Iterator

from ...system.printable import block as code_block
from ...system.printable import code, escaped
from .parts import (
    Block,
    Bullets,
    Code,
    Commands,
    Document,
    Figure,
    Inline,
    Link,
    Paragraph,
    RunName,
    Section,
    Strong,
    Table,
    Text,
)


def to_markdown(document: Document, level: int = 1) -> str:
    """Return a document as Markdown, whose first heading has this level."""
    parts = [f"{'#' * level} {escaped(document.title)}", escaped(document.about)]
    for section in document.sections:
        parts += _section(section, level + 1)
    return "\n\n".join(parts) + "\n"


def _section(section: Section, level: int) -> Iterator[str]:
    yield f"{'#' * level} {escaped(section.title)}"
    for each in section.blocks:
        yield from _block(each)
    for inner in section.sections:
        yield from _section(inner, level + 1)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            text = _text(block.text)
            yield f"> **{text}**" if block.role == "verdict" and "**" not in text else text
        case Bullets():
            yield "\n".join(f"- {_text(each)}" for each in block.items)
        case Commands():
            yield code_block(*block.lines)
        case Table():
            yield from _table(block)
        case Figure():
            yield f"**{escaped(block.title)}.** {_text(block.caption)}"
            for table in block.tables:
                yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"*{escaped(table.caption)}*"
    rules = ["---:" if place in table.right else "---" for place in range(len(table.heads))]
    lines = [[escaped(head) for head in table.heads], rules, *([_text(cell) for cell in row] for row in table.rows)]
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: Text) -> str:
    return "".join(map(_inline, text))


def _inline(part: Inline) -> str:
    match part:
        case str():
            return _kept(part)
        case Link():
            inside = part.address.startswith("#")
            return escaped(part.text) if inside else f"[{escaped(part.text)}]({part.address})"
        case Code() | RunName():
            return code(part.text)
        case Strong():
            return f"**{escaped(part.text)}**"
        case _:
            return escaped(part.text)


def _kept(text: str) -> str:
    """Return a text with its outer blanks, which `escaped` removes."""
    inner = text.strip()
    if not inner:
        return text
    start = text.index(inner)
    return f"{text[:start]}{escaped(inner)}{text[start + len(inner) :]}"
