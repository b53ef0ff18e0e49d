"""Look-up of a name in a table, with the nearest names if it is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from ..errors import InputError

Row = TypeVar("Row")


def plain(name: str) -> str:
    """Return a name without case and punctuation, so that `CIFAR-100` and `cifar100` are equal."""
    return "".join(character for character in name.lower() if character.isalnum())


def suggestion(name: str, known: list[str]) -> str:
    """Return "Did you mean `X`?", or the list of known names if none is similar."""
    by_plain = {plain(entry): entry for entry in known}
    near = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=0.6)
    return f"Did you mean `{by_plain[near[0]]}`?" if near else f"Valid values: {', '.join(known)}"


def look_up(kind: str, name: str, rows: Mapping[str, Row]) -> Row:
    """Return the row of that name. Raises InputError with the nearest name."""
    if name in rows:
        return rows[name]
    by_plain = {plain(entry): row for entry, row in rows.items()}
    if plain(name) not in by_plain:
        raise InputError(f"unknown {kind} {name!r}. {suggestion(name, list(rows))}")
    return by_plain[plain(name)]
