"""The metadata at the beginning of a README of the Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..system.printable import printable

_WORDS = (  # tag, pattern and first letters: what an unquoted word may be besides a text; all of it YAML 1.1 takes too
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
)  # fmt: skip


class Unreadable(ValueError):
    """A text is not YAML."""


class Unwritable(ValueError):
    """Metadata was read as YAML, and YAML cannot be written of it again."""


@cache
def _loader() -> Any:
    """Return a reader to which `no` is Norwegian and 10:30 no number, as in YAML 1.2, which the Hub reads."""
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    for tag, pattern, first in _WORDS:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), first)
    return Loader


def read(text: str) -> Any:
    """Return what the lines of a front say; raise Unreadable where they are no YAML."""
    import yaml

    try:
        return _loader()(text).get_single_data()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def front(fields: Mapping[Any, Any]) -> str:
    """Return metadata as the beginning of a README, but for names without a value; raise Unwritable where it cannot be.

    It is not written by the Hub's `CardData`, whose attributes the names would be: those of others may be any.
    """
    import yaml

    given = {name: value for name, value in fields.items() if value is not None}
    try:
        text = yaml.safe_dump(given, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:  # a number of 5,000 digits, for example
        raise Unwritable(str(error)) from error
    return f"---\n{text.strip()}\n---\n"


def plain(value: Any) -> Any:
    """Return metadata with texts of one visible line: names of others may hold what ends it or turns it around."""
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return printable(value) if isinstance(value, str) else value
