"""Texts of any content as parts of a card: none of them ends the block that it is in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def fenced(text: str) -> str:
    """A text as a block of code, whatever backticks are in it."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def line(text: str) -> str:
    """A text on one line, in which no code span begins or ends."""
    return " ".join(text.split()).replace("`", "'")


def cell(text: str) -> str:
    """A text that cannot end its cell of a table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def front(fields: Mapping[str, Any]) -> str:
    """Return metadata as the beginning of a README."""
    from huggingface_hub import CardData

    return f"---\n{CardData(**fields).to_yaml()}\n---\n"
