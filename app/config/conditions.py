"""Conditions on a run's settings, `seed=0-2` or `model=vit_classic,resnet18`, which select runs to list or delete."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import InputError
from ..tables.datasets import dataset_name
from ..tables.models import is_name, model_row
from ..tables.sizes import parse_size
from .run import RunConfig
from .settings import Keeping, declared, declaring, options_of

TAG = "tag"  # of a run, which its record has next to its configuration
SETTINGS = {field.name: field for field in dataclasses.fields(RunConfig)} | {TAG: options_of(Keeping)[TAG]}
_RANGE = re.compile(r"(\d{1,19})-(\d{1,19})")
_HOW = "Write SETTING=VALUE, such as seed=0-2 or model=vit_classic,resnet18"


class Condition(NamedTuple):
    """A setting and its matching values: single ones, and ranges of integers with both ends included."""

    name: str
    values: tuple[Any, ...]
    ranges: tuple[tuple[int, int], ...] = ()

    def fits(self, settings: Mapping[str, Any]) -> bool:
        """Return whether a run's settings, the configuration and tag of its record, have one of the values."""
        value = settings.get(self.name, SETTINGS[self.name].default)
        if value in self.values:
            return True
        return type(value) is int and any(first <= value <= last for first, last in self.ranges)


def conditions(texts: Iterable[str]) -> tuple[Condition, ...]:
    """Return the conditions of `--where`, all of which must be met. Raise InputError for an invalid text."""
    return tuple(map(_condition, texts))


def _condition(text: str) -> Condition:
    name, sign, value = (part.strip() for part in text.partition("="))
    name = name.lstrip("-").replace("-", "_")
    if not sign or not name or not value:
        raise InputError(f"--where {text} is incomplete. {_HOW}")
    if name == "state":
        raise InputError(f"--where {text} names the state, which is no setting. Write --state {value}")
    declaring.require_names(SETTINGS, [name])
    field = SETTINGS[name]
    types = declaring.types_of(field)
    parts = value.split(",") if "str" not in types else [*dict.fromkeys([value, *value.split(",")])]
    if declared(field).choices or declared(field).spelled or name in _NAMED:
        parts = value.split(",")
    spans = [_RANGE.fullmatch(part.strip()) if "int" in types else None for part in parts]
    return Condition(
        name,
        tuple(_value(field, part.strip()) for part, span in zip(parts, spans, strict=True) if not span),
        tuple(_range(name, span) for span in spans if span),
    )


def _range(name: str, span: re.Match[str]) -> tuple[int, int]:
    first, last = int(span[1]), int(span[2])
    if first > last:
        raise InputError(f"{name}={span[0]} contains no number. Write the smaller number first: {last}-{first}")
    return first, last


def _value(field: dataclasses.Field[Any], text: str) -> Any:
    """Return the value of a text, as a record stores it."""
    if text.lower() == "none" and (declared(field).cell or "None" in declaring.types_of(field)):
        return None
    if field.name in _NAMED:
        return _NAMED[field.name](text)
    value = declaring.from_text(field, text)
    declaring.check(field, value)
    if spelled := declared(field).spelled:
        return spelled(value)
    return list(value) if isinstance(value, tuple) else value


def _size(text: str) -> str:
    """Return a budget as the tables spell it. The size of a model without a budget is its name."""
    return text if is_name(text) else parse_size(text)


_NAMED = {"model": lambda text: model_row(text).name, "size": _size, "dataset": dataset_name}
