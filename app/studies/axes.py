"""The axes of a study: settings with several values, of which every combination is a run."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping

from ..config.settings import GROUPS, options_of
from ..config.settings.declaring import types_of
from ..errors import InputError
from ..tables.names import suggestion
from ..tables.other_tools import OPTIONS

SETTINGS = options_of(*GROUPS)
MOST_ROWS = 100_000
TOO_MANY = f"the study has more than {MOST_ROWS:,} runs. Divide it into several files"
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
    found: list[str] = []
    for value in values:
        span = _RANGE.fullmatch(value) if is_range(name, value) else None
        if not value:
            raise InputError(f"{where}: {name} has an empty value. Give a value, or remove its comma")
        found += _numbers(int(span[1]), int(span[2]), f"{where}: {name}={value}") if span else [value]
    if not found:
        raise InputError(f"{where}: {name} has no values. Give at least one")
    return found


def is_range(name: str, value: str) -> bool:
    """Return whether a value of a setting is a range of whole numbers."""
    types = types_of(SETTINGS[name])
    return "int" in types and "Extent" not in types and bool(_RANGE.fullmatch(value))


def _numbers(first: int, last: int, where: str) -> list[str]:
    if last < first:
        raise InputError(f"{where} is a range of 0 numbers. Write the smaller number first, as {last}-{first}")
    if last - first >= MOST_ROWS:
        raise InputError(
            f"{where} is a range of {last - first + 1:,} numbers. A range may have {MOST_ROWS:,}. Use a shorter one"
        )
    return [str(number) for number in range(first, last + 1)]


def crossed(axes: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    """Yield every combination of the axes' values, the last axis fastest; one without cells where there is no axis.

    Raises InputError before the first if there are too many.
    """
    if math.prod(map(len, axes.values())) > MOST_ROWS:
        raise InputError(TOO_MANY)
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
        raise InputError(f"{where}: unknown setting {name!r}. {_instead(plain) or _near(plain)}")
    return plain


def _near(name: str) -> str:
    """Return the setting of a similar name, or where all names are, since they would fill a screen."""
    found = suggestion(name, list(SETTINGS))
    return found if found.startswith("Did") else "Use the name of an option of `train`, such as model, size or seed"


def _instead(name: str) -> str:
    """Return what to write instead of another tool's name for a setting; empty for any other name."""
    row = OPTIONS.get(f"--{name.replace('_', '-')}")
    if row is None:
        return ""
    ours = row.ours.removeprefix("--").replace("-", "_")
    return f"Use {ours}. {row.says}" if ours in SETTINGS and not row.says.startswith("Omit it") else row.says
