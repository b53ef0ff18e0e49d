"""The axes of a study: settings with several values, of which every combination is a run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping

from ..config.settings import GROUPS, options_of
from ..config.settings.declaring import types_of
from ..errors import InputError
from ..tables.names import suggestion
from ..tables.other_tools import OPTIONS

SETTINGS = options_of(*GROUPS)
MOST_ROWS = 100_000
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")


def of_options(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the axes of several `--cross NAME=A,B,...`; raise InputError for a setting that is given twice."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        where = f"--cross {text!r}"
        if not equals or not name.strip() or not values.strip():
            raise InputError(f"{where} is not an axis. Write a setting and its values, such as seed=0-2")
        setting = named(name, where)
        if setting in found:
            raise InputError(f"{where} names {setting} a second time. Give all its values in one option")
        found[setting] = expanded(setting, [each.strip() for each in values.split(",")], where)
    return found


def expanded(name: str, values: list[str], where: str) -> list[str]:
    """Return the values of an axis, each range of whole numbers written out; raise InputError for none."""
    types = types_of(SETTINGS[name])
    found: list[str] = []
    for value in values:
        span = _RANGE.fullmatch(value) if "int" in types and "Extent" not in types else None
        if not value:
            raise InputError(f"{where}: {name} has an empty value. Give a value, or remove its comma")
        found += _numbers(int(span[1]), int(span[2]), f"{where}: {name}={value}") if span else [value]
    if not found:
        raise InputError(f"{where}: {name} has no values. Give at least one")
    return found


def _numbers(first: int, last: int, where: str) -> list[str]:
    if not 0 <= last - first < MOST_ROWS:
        raise InputError(f"{where} is a range of {max(last - first + 1, 0):,} numbers. Use 1 to {MOST_ROWS:,}, as 0-4")
    return [str(number) for number in range(first, last + 1)]


def crossed(axes: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    """Yield every combination of the axes' values, the last axis fastest; one without cells where there is no axis."""
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _plain(name: str) -> str:
    return name.strip().removeprefix("--").replace("-", "_")


def is_setting(name: str) -> bool:
    """Return whether a column or key names a setting."""
    return _plain(name) in SETTINGS


def named(name: str, where: str) -> str:
    """Return the setting that a column or key stands for: batch-size, --batch-size and batch_size are one."""
    plain = _plain(name)
    if plain not in SETTINGS:
        raise InputError(f"{where}: unknown setting {name!r}. {_instead(plain) or suggestion(plain, list(SETTINGS))}")
    return plain


def _instead(name: str) -> str:
    """Return what to write instead of another tool's name for a setting; empty for any other name."""
    row = OPTIONS.get(f"--{name.replace('_', '-')}")
    if row is None:
        return ""
    ours = row.ours.removeprefix("--").replace("-", "_")
    return f"Use {ours}. {row.says}" if ours in SETTINGS and not row.says.startswith("Omit it") else row.says
