"""Names of classes: strings that are numbers, and names that differ only in spelling, which are refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ...errors import InputError
from ...system.printable import printable

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PADDED = re.compile(r"[+-]?0\d+", re.ASCII)  # such as 007, which is a name
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)


def reader_of(texts: Iterable[str], where: str) -> Callable[[str], Any]:
    """Return the function that reads string labels: as numbers if all are numbers, otherwise unchanged.

    1 and 1.0 are one class. Numbers with leading zeros, such as 007, are names. Raises InputError for decimal commas,
    and for 7 next to 007.
    """
    known = {text for text in texts if text.lower() != "nan"}
    if known and all(_COMMA.fullmatch(text) for text in known):
        raise InputError(
            f"{where} has numbers with decimal commas, such as {min(known)!r}. Write points in numbers, and a whole "
            "number or a name as the class of a row"
        )
    if not all(_NUMBER.fullmatch(text) for text in known):
        return str
    if not any(_PADDED.fullmatch(text) for text in known):
        return _number
    seen: dict[float, str] = {}
    for text in sorted(known):
        if (other := seen.setdefault(float(text), text)) != text:
            raise InputError(
                f"the classes {other!r} and {text!r} in {where} are the same number. Spell them alike if they are "
                "one class, or rename one of them"
            )
    return lambda text: -1 if text == "-1" else text


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def require_apart(found: Iterable[str], where: str) -> None:
    """Raise InputError for names that differ only by blanks or case.

    Single characters are always different names, like the letters of an alphabet.
    """
    names = sorted(found)
    alphabet = all(len(name.strip()) == 1 for name in names)
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(name.split()) if alphabet else " ".join(name.split()).casefold()
        if plain in seen:
            one, other = (repr(printable(each)) for each in (seen[plain], name))
            raise InputError(
                f"the classes {one} and {other} in {where} differ only by blanks or case. Spell them alike if they "
                "are one class, or rename one of them"
            )
        seen[plain] = name
