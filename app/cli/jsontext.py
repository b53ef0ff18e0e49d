"""Values as the JSON that a command prints."""

from __future__ import annotations

import json
from typing import Any

from ..system.printable import without_secrets


def of(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON without secrets, in one line or indented by so many spaces."""
    text = json.dumps(value)
    text = text if without_secrets(text) == text else json.dumps(_without_secrets(value))
    return _indented(text, indent) if indent else text


def _indented(text: str, indent: int) -> str:
    """Return JSON as `json.dumps` indents it, whose own indenting took a third of a status of 1,000 runs."""
    import msgspec  # not for every command

    try:
        return msgspec.json.format(text, indent=indent)
    except msgspec.DecodeError:  # Python's NaN and Infinity, which are no JSON
        return json.dumps(json.loads(text), indent=indent)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_secrets(name): _without_secrets(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(each) for each in value]
    return without_secrets(value) if isinstance(value, str) else value
