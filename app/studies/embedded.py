"""A study's file within a command line, for machines that do not have the file: an RFC 2397 data URL with its name.

`data:text/csv;name=grid.csv;base64,...`, in the alphabet of RFC 4648 section 5: a path would lose one of two `/`.
"""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from ..errors import InputError

MOST_BYTES = 64 << 10
_SCHEME = "data:"
_CSV, _YAML = "text/csv", "application/yaml"
_FORM = f"`{_SCHEME}{_CSV};name=grid.csv;base64,...`"
_NAME = re.compile(r"\w[^/\\]{0,99}")
_BASE64 = re.compile(r"[A-Za-z0-9_-]*={0,2}")


class _Url(NamedTuple):
    name: str
    data: str  # in base64


def is_url(path: Path) -> bool:
    """Return whether a study's FILE is a data URL."""
    return str(path).startswith(_SCHEME)


def named(path: Path) -> Path:
    """Return a study's FILE as its path or, of a data URL, its name. Raises InputError."""
    return Path(_parts(path).name) if is_url(path) else path


def content(path: Path) -> bytes:
    """Return the bytes in a data URL. Raises InputError."""
    url = _parts(path)
    try:
        if not _BASE64.fullmatch(url.data):
            raise ValueError("it has other characters than A-Z, a-z, 0-9, -, _ and =")
        raw = base64.urlsafe_b64decode(url.data)
    except (ValueError, binascii.Error) as error:
        raise InputError(
            f"the study {url.name} in the data URL is not in URL-safe base64 ({error}). Copy the complete URL, or "
            "give the file"
        ) from None
    _require_small(url.name, len(raw))
    return raw


def of_file(path: Path) -> str:
    """Return a file as a data URL. Raises InputError for one that is larger than MOST_BYTES."""
    raw = path.read_bytes()
    _require_small(str(path), len(raw))
    _require_name(path.name)
    data = base64.urlsafe_b64encode(raw).decode()
    return f"{_SCHEME}{_type(path.name)};name={quote(path.name, safe='')};base64,{data}"


def _parts(path: Path) -> _Url:
    """Return the name and the data of a URL. Raises InputError."""
    head, comma, data = str(path).removeprefix(_SCHEME).partition(",")
    media, *parameters = head.split(";")
    if media not in (_CSV, _YAML):
        raise InputError(f"the data URL of a study has the type {media[:40]!r}. Use {_CSV} or {_YAML}, as in {_FORM}")
    if not comma or len(parameters) != 2 or not parameters[0].startswith("name=") or parameters[1] != "base64":
        raise InputError(f"the data URL of a study is not a name and base64. Write it as {_FORM}")
    name = unquote(parameters[0].removeprefix("name="))
    _require_name(name)
    if _type(name) != media:
        raise InputError(f"the data URL of a study has the type {media}, but {name} is {_type(name)}. Make them equal")
    return _Url(name, data)


def _type(name: str) -> str:
    """Return the media type of a study's file, which is a CSV unless its name is that of a YAML file."""
    return _YAML if name.lower().endswith((".yaml", ".yml")) else _CSV


def _require_name(name: str) -> None:
    if not (_NAME.fullmatch(name) and name.isprintable()):
        raise InputError(
            f"name={name[:40]!r} is not a name for a study in a data URL. Use at most 100 characters without slashes, "
            "the first a letter, a number or _"
        )


def _require_small(name: str, count: int) -> None:
    if count > MOST_BYTES:
        raise InputError(
            f"the study {name} has {count:,} bytes, and a data URL may have {MOST_BYTES:,}. Write it with `cross:` in "
            "YAML, divide it, or copy it to the machine"
        )
