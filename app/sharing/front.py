"""The metadata at the beginning of a README of the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..system.printable import printable


def front(fields: Mapping[str, Any]) -> str:
    """Return metadata as the beginning of a README."""
    from huggingface_hub import CardData

    return f"---\n{CardData(**fields).to_yaml()}\n---\n"


def plain(value: Any) -> Any:
    """Return metadata with texts of one visible line: names of others may hold what ends it or turns it around."""
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return printable(value) if isinstance(value, str) else value
