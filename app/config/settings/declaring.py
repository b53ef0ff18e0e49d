"""The declaration of a setting: a dataclass field whose metadata states everything that is derived from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ...tables.names import suggestion
from ...tables.optimizers import normal_betas, parsed_betas, spelled_betas
from ...tables.ranges import MOST, check_between, check_known, check_not_negative, check_positive
from ...tables.shape import normal, parsed_extent, spelled

KINDS = ("image", "field", "signal")  # of data
# What a comparison does if its runs differ in a setting: that is what it compares; it is refused; it states the
# difference next to the verdict; it ignores the difference, because no result depends on it.
DIFFERENCES = ("architecture", "voids", "confound", "harmless")
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")  # in any case
_TYPES: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool, "Path": Path}
_LONGEST = 200  # characters of a value in a message
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_REQUIRED: Any = dataclasses.MISSING


class Written(NamedTuple):
    """How a value of several numbers is read from a text, normalised, and spelled."""

    parsed: Callable[[str], Any]
    normal: Callable[[Any], Any]
    spelled: Callable[[Any], str]
    values: tuple[type, ...]  # that `normal` accepts from Python or JSON


WRITTEN = {  # by the name of a setting's type
    "Extent": Written(parsed_extent, normal, spelled, (int, list, tuple)),
    "Betas": Written(parsed_betas, normal_betas, spelled_betas, (int, float, list, tuple)),
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The facts that a declaration states besides the field's name, type and default."""

    help: str  # one sentence with its unit
    shown: str  # the default, as shown to a reader
    panel: str
    choices: Collection[str] = ()  # the keys of a table: an added row is a choice
    words: Collection[str] = ()  # those of a text that `spelled` reads, for help and completion
    spelled: Callable[[str], str] | None = None  # the one spelling of equal texts; raises InputError
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    decides: bool = True  # the result, so that it is part of the run ID
    differs: str = ""  # the class in DIFFERENCES of runs that are compared and differ in it; every setting has one
    kinds: tuple[str, ...] = KINDS  # of data for which it has an effect
    families: tuple[str, ...] = ()  # of models for which it has an effect; empty: all, or those with such a cell
    otherwise: str = "Omit it"  # what to do if it has no effect
    needs: str = ""  # the setting without which it has no effect
    off: str = ""  # the flag that turns a switch off, if it is not --no-NAME
    metavar: str | None = None
    cell: bool = False  # a cell of a model's shape: None if its family lacks it
    time: bool = False  # whether it is written as 90s, 30m or 1h
    characters: int | None = None  # of a text on one line, at most

    @cached_property
    def limited(self) -> bool:
        """Whether some values of the declared type are refused."""
        ends = (self.above, self.least, self.below, self.most, self.characters)
        return bool(self.choices) or any(end is not None for end in ends)


def setting(default: Any = _REQUIRED, **declared: Any) -> Any:
    """Declare a field: `help`, `panel` and the other fields of `Setting`.

    `shown` is made from the default if omitted.
    """
    declared.setdefault("shown", _shown(default))
    return _field(default, Setting(**declared))


def derived(default: Any = _REQUIRED, **ranges: Any) -> Any:
    """Declare a field that no option sets, because it follows from the dataset or from other settings."""
    return _field(default, Setting(help="", shown="", panel="", **ranges))


def _field(default: Any, declared: Setting) -> Any:
    given = {} if default is _REQUIRED else {"default": default}
    return dataclasses.field(**given, metadata={"setting": declared})


def _shown(default: Any) -> str:
    if default is None or default is _REQUIRED:
        return "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def declared(field: dataclasses.Field[Any]) -> Setting:
    """Return the declaration of a field."""
    found: Setting = field.metadata["setting"]
    return found


def flag(name: str) -> str:
    """Return the option of a setting: `--batch-size` of `batch_size`."""
    return f"--{name.replace('_', '-')}"


def options_of(*groups: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of some groups that are options, by name, in the order of their declaration."""
    fields = [field for group in groups for field in dataclasses.fields(group)]
    return {field.name: field for field in fields if declared(field).help}


@cache  # a field's declaration never changes, and a study asks for it once per cell
def types_of(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Return the names of the types that a field is declared with, such as int and None."""
    declared_as = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    return tuple(declared_as.split(" | "))


@cache
def kept_as_given(field: dataclasses.Field[Any]) -> frozenset[type]:
    """Return the types of values that `coerced` returns as they are."""
    types = types_of(field)
    kept = {_TYPES[name] for name in types if name in _TYPES} - ({int} if {"float", *WRITTEN} & {*types} else set())
    return frozenset(kept | ({type(None)} if "None" in types or declared(field).cell else set()))


def coerced(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return a value in its field's declared type. Raise InputError unless it has that type already.

    An integer becomes a float if the field is one, so that 0 and 0.0 are one run. A list becomes an extent, and a
    number of numpy's becomes Python's.
    """
    if type(value) in kept_as_given(field):
        return value
    types = types_of(field)
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None and ("None" in types or declared(field).cell):
        return None
    written = WRITTEN.get(types[0])
    if written and isinstance(value, written.values) and not isinstance(value, bool):
        return written.normal(value)
    if type(value) is int and "float" in types:
        try:
            return float(value)
        except OverflowError:
            raise InputError(f"{field.name}={value} is too large. Use a smaller number") from None
    if not any(isinstance(value, _TYPES[name]) for name in types if name in _TYPES) or (
        isinstance(value, bool) and "bool" not in types
    ):
        given = repr(value) if len(repr(value)) <= _LONGEST else f"a {type(value).__name__}"  # of arrays, for example
        raise InputError(f"{field.name}={given} has the wrong type. Use {_spelled_types(types)}")
    return value


def _spelled_types(types: tuple[str, ...]) -> str:
    """Return the types of a field for a reader."""
    words = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}
    return " or ".join(words.get(name, name) for name in types if name != "None")


def spelled_numbers(value: Collection[Any]) -> str:
    """Return a value of several numbers as an option spells it: 128x256 of an extent, 0.9,0.999 of betas."""
    kind = "Betas" if any(isinstance(each, float) for each in value) else "Extent"
    return WRITTEN[kind].spelled(value)


def from_python(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return a value of a Python program in the form of the command line.

    A text for a path or a time is parsed, and a path for a text becomes a text.
    """
    if isinstance(value, str) and (declared(field).time or types_of(field)[0] == "Path"):
        return from_text(field, value)
    if isinstance(value, Path) and "str" in types_of(field):
        return str(value) if value.is_absolute() else f"./{value}"  # a folder, if a name could also be the Hub's
    return value


def from_text(field: dataclasses.Field[Any], text: str) -> Any:
    """Return the value of a text of a command or table. Raise InputError for an invalid text."""
    types, text = types_of(field), text.strip()
    if declared(field).time:
        return seconds(text)
    if types[0] in WRITTEN:
        return WRITTEN[types[0]].parsed(text)
    if "bool" in types:
        return truth(text, field.name)
    kind, what = (int, "a whole number") if "int" in types else (float, "a number")
    if kind.__name__ not in types:
        return Path(text) if "Path" in types else text
    try:
        if "_" in text or not text.isascii():  # which only Python reads as numbers
            raise ValueError
        return kind(text)
    except ValueError:
        raise InputError(f"{field.name}={text!r} is not {what}. Write it in digits") from None


def truth(text: str, name: str) -> bool:
    """Return the value of a word for a switch. Raise InputError for any other word."""
    if text.lower() not in (*TRUE, *FALSE):
        raise InputError(f"{name}={text!r} is neither on nor off. Use {'/'.join(TRUE)} or {'/'.join(FALSE)}")
    return text.lower() in TRUE


def seconds(text: str) -> float:
    """Return a time in seconds: a plain number, or one followed by s, m or h. Raise InputError."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _SECONDS else (text, "s")
    try:
        found = float(number) * _SECONDS[unit]
    except ValueError:
        raise InputError(f"{text!r} is not a time. Use 90s, 30m or 1h") from None
    if not 0 <= found < float("inf"):
        raise InputError(f"{text!r} is not a time. Use 0 or more, below infinity")
    return found


def check(field: dataclasses.Field[Any], value: Any) -> None:
    """Raise InputError for a value outside its field's choices or range."""
    its = declared(field)
    if value is None or not its.limited:
        return
    name = field.name
    if its.time and its.most and value > its.most:
        raise InputError(f"{flag(name)} {value:g}s is too long. Use at most {its.most / _SECONDS['h']:g}h")
    if its.characters and not (value.strip() and value.isprintable() and len(value) <= its.characters):
        raise InputError(
            f"{flag(name)} {value!r} is not a text on one line. Use 1 to {its.characters} printable characters"
        )
    if its.choices:
        check_known(name if its.decides else flag(name), value, its.choices)
    if its.below is not None and its.least is not None:
        if not its.least <= value < its.below:
            raise InputError(f"{name}={value} is out of range. Use at least {its.least:g} and less than {its.below:g}")
    elif its.below is not None and its.above is not None:
        if not its.above < value < its.below:
            raise InputError(f"{name}={value} is out of range. Use a number between {its.above:g} and {its.below:g}")
    elif its.least and its.most is not None:
        check_between(its.least, its.most, **{name: value})
    elif its.above is not None:
        check_positive(**({"most": its.most} if its.most else {}), **{name: value})
    elif its.least is not None:
        check_not_negative(**({"most": its.most} if its.most else {}), **{name: value})


def checked(fields: Mapping[str, dataclasses.Field[Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in their declared types and within their ranges. Names that are not fields stay as they are."""
    found = {name: coerced(fields[name], value) if name in fields else value for name, value in given.items()}
    for name in fields.keys() & found.keys():
        check(fields[name], found[name])
        if (spelled := declared(fields[name]).spelled) and found[name] is not None:
            found[name] = spelled(found[name])
    return found


def parsed(fields: Mapping[str, dataclasses.Field[Any]], cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in the cells of a row of a table. An empty cell is not a value. Raise InputError.

    A cell of a CSV is a text. One of YAML may be a number or a switch.
    """
    require_names(fields, cells)
    return {
        name: from_text(fields[name], cell) if isinstance(cell, str) else coerced(fields[name], cell)
        for name, cell in cells.items()
        if cell is not None and (not isinstance(cell, str) or cell.strip())
    }


def require_names(fields: Mapping[str, dataclasses.Field[Any]], given: Collection[Any]) -> None:
    """Raise InputError for a name that is not a setting."""
    for name in given:
        if name not in fields:
            raise InputError(f"unknown setting {name!r}. {suggestion(str(name), list(fields))}")


__all__ = ["DIFFERENCES", "KINDS", "MOST", "Setting", "derived", "setting"]
