"""Names of classes: those that differ only by blanks or case are refused, since they may be one class."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import InputError
from ...system.printable import printable


def require_apart(found: Iterable[str], where: str) -> None:
    """Raise InputError for names that differ only by blanks or case.

    Single characters are apart, as the letters of an alphabet are.
    """
    names = sorted(found)
    alphabet = all(len(name.strip()) == 1 for name in names)
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(name.split()) if alphabet else " ".join(name.split()).casefold()
        if plain in seen:
            one, other = (repr(printable(each)) for each in (seen[plain], name))
            raise InputError(
                f"the classes {one} and {other} in {where} differ only by blanks or case; spell them alike if they are "
                "one class, or rename one of them"
            )
        seen[plain] = name
