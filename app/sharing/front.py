"""The metadata at the beginning of a README on the Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..system.printable import printable

_WORDS = (  # tag, pattern and first letters of unquoted words that are not strings, all of them valid in YAML 1.1 too
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
    """Metadata was read as YAML, but cannot be written as YAML again."""


@cache
def _loader() -> Any:
    """Return a reader for which `no` is Norwegian and 10:30 is not a number, as in YAML 1.2, which the Hub reads."""
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    for tag, pattern, first in _WORDS:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), first)
    return Loader


def read(text: str) -> Any:
    """Return the metadata in the lines of a front. Raise Unreadable if they are not YAML."""
    import yaml

    try:
        return _loader()(text).get_single_data()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def front(fields: Mapping[Any, Any]) -> str:
    """Return metadata as the beginning of a README, without names that have no value.

    Raises Unwritable if it cannot be written. The Hub's `CardData` is not used, because names become its attributes,
    and names from others may be anything.
    """
    import yaml

    given = {name: value for name, value in fields.items() if value is not None}
    try:
        text = yaml.safe_dump(given, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:  # a number of 5,000 digits, for example
        raise Unwritable(str(error)) from error
    return f"---\n{text.strip()}\n---\n"


def plain(value: Any) -> Any:
    """Return metadata in which every string is one visible line.

    Names from others may contain characters that end a line or reverse its direction.
    """
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return printable(value) if isinstance(value, str) else value
