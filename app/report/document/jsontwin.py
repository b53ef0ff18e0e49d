"""A document for a machine: the same parts as plain JSON, each number with its value, its runs and its origin."""

from __future__ import annotations

import json
from typing import Any

from .parts import (
    Block,
    Bullets,
    Code,
    Commands,
    Document,
    Figure,
    Inline,
    Link,
    Number,
    Paragraph,
    RunName,
    Section,
    Table,
    Text,
)


def to_json(document: Document) -> dict[str, Any]:
    """Return a document as JSON values. Figures are their titles, descriptions, captions and numbers."""
    return {
        "title": document.title,
        "about": document.about,
        "records": document.records,
        "sections": [_section(each) for each in document.sections],
    }


def as_text(document: Document) -> str:
    """Return a document as the text of a JSON file."""
    return json.dumps(to_json(document), indent=1, ensure_ascii=False) + "\n"


def _section(section: Section) -> dict[str, Any]:
    found: dict[str, Any] = {"key": section.key, "title": section.title}
    found["blocks"] = [_block(each) for each in section.blocks]
    return found | ({"sections": [_section(each) for each in section.sections]} if section.sections else {})


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph():
            return {"kind": block.role or "paragraph", "text": _text(block.text)}
        case Bullets():
            return {"kind": "list", "items": [_text(each) for each in block.items]}
        case Commands():
            return {"kind": "commands", "about": block.about, "lines": list(block.lines)}
        case Table():
            return {"kind": "table"} | _table(block)
        case Figure():
            return {
                "kind": "figure", "key": block.key, "title": block.title, "description": block.description,
                "caption": _text(block.caption), "tables": [_table(each) for each in block.tables],
            }  # fmt: skip


def _table(table: Table) -> dict[str, Any]:
    rows = [[_text(cell) for cell in row] for row in table.rows]
    return {"caption": table.caption, "heads": list(table.heads), "rows": rows}


def _text(text: Text) -> list[Any]:
    return [_inline(each) for each in text]


def _inline(part: Inline) -> Any:
    match part:
        case str():
            return part
        case Number():
            return {"text": part.text, "value": part.value, "runs": list(part.runs), "path": part.path}
        case Link():
            return {"text": part.text, "address": part.address}
        case Code():
            return {"code": part.text}
        case RunName():
            return {"run": part.text}
        case _:
            return {"text": part.text}
