"""Keywords of a model's constructor as options spell them: `--model-args depth=3,norm=batch`, `--grow width:8`."""

from __future__ import annotations

import ast
import re
from typing import Any, NamedTuple

from ..errors import InputError
from .ranges import MOST

_WORDS = {"true": True, "false": False, "none": None}


class Axis(NamedTuple):
    """The keyword that grows with a budget, in multiples of `step`."""

    name: str
    step: int = 1

    def __str__(self) -> str:
        return self.name if self.step == 1 else f"{self.name}:{self.step}"


def arguments(text: str | None) -> dict[str, Any]:
    """Return the keywords and values of `NAME=VALUE,NAME=VALUE`. Raises InputError for any other text."""
    found: dict[str, Any] = {}
    for part in (text or "").split(",") if text else ():
        name, sign, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not (sign and name.isidentifier() and value):
            raise InputError(f"--model-args {text}: {part!r} is not NAME=VALUE. Write depth=3,norm=batch, for example")
        if name in found:
            raise InputError(f"--model-args {text} gives {name} twice. Omit one of them")
        found[name] = _value(value)
    return found


def canonical(text: str) -> str:
    """Return the one spelling of equal arguments: by name, with numbers as Python writes them."""
    return ",".join(f"{name}={_text(value)}" for name, value in sorted(arguments(text).items()))


def axis(text: str) -> Axis:
    """Return the axis of `NAME` or `NAME:STEP`. Raises InputError for any other text."""
    found = re.fullmatch(r"\s*([^\W\d]\w*)\s*(?::\s*([0-9]{1,7}))?\s*", text)
    step = int(found[2] or 1) if found else 0
    if not found or not 0 < step < MOST:
        raise InputError(
            f"--grow {text} is not a keyword of the constructor. Write width, or width:8 for multiples of 8"
        )
    return Axis(found[1], step)


def canonical_axis(text: str) -> str:
    """Return the one spelling of equal axes."""
    return str(axis(text))


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return text
    return found if isinstance(found, int | float) else text


def _text(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
