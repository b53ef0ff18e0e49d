"""A study as YAML: `base` has settings of every run, `cross` axes, and `runs` a list of further runs."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..config.settings.declaring import WRITTEN, types_of
from ..errors import InputError
from . import yamltext
from .axes import SETTINGS, expanded, named

_PARTS = ("base", "cross", "runs")


class Parts(NamedTuple):
    """The parts of a study's YAML, their values as texts."""

    base: dict[str, str]
    cross: dict[str, list[str]]
    runs: list[tuple[dict[str, str], str]]  # with their places


def read(text: str, name: str) -> Parts:
    """Return the parts of a study's YAML. Raises InputError.

    Every value is the text that stands in the file, as a cell of a CSV is: in YAML's own reading `range: 10:80` is the
    number 680, and `size: 1_0` another.
    """
    given = _mapping(
        yamltext.document(text, name), f"{name} is not a study. Write `cross:` or `runs:` with settings below it"
    )
    for part in given:
        if part not in _PARTS:
            raise InputError(f"{name}: unknown part {part!r}. Valid values: {', '.join(_PARTS)}")
    runs = given.get("runs") or []
    if not isinstance(runs, list):
        raise InputError(f"runs of {name} is not a list. Begin each run with `- `")
    return Parts(
        base={key: _text(key, value, f"base of {name}") for key, value in _settings(given, "base", name)},
        cross={key: _values(key, value, f"cross of {name}") for key, value in _settings(given, "cross", name)},
        runs=[(_run(each, where), where) for at, each in enumerate(runs, 1) if (where := f"run {at} of {name}")],
    )


def _run(given: Any, where: str) -> dict[str, str]:
    if given == "":
        raise InputError(f"{where} is empty. Write settings such as `- model: vit_classic`, or remove its `-`")
    settings = _named(
        _mapping(given, f"{where} is not a mapping. Write settings such as `- model: vit_classic`"), where
    )
    return {key: _text(key, value, where) for key, value in settings.items()}


def _settings(given: dict[str, Any], part: str, name: str) -> list[tuple[str, Any]]:
    where = f"{part} of {name}"
    found = _mapping(given.get(part), f"{where} is not a mapping. Write settings such as `seed: 0` below it")
    return list(_named(found, where).items())


def _mapping(given: Any, refusal: str) -> dict[str, Any]:
    if not given:
        return {}
    if not isinstance(given, dict):
        raise InputError(refusal)
    return given


def _named(given: dict[str, Any], where: str) -> dict[str, Any]:
    """Return values by setting; raise InputError for a name that is unknown, or given twice in two spellings."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if (setting := named(name, where)) in found:
            raise InputError(f"{where}: {setting} is given twice. Keep one of them")
        found[setting] = value
    return found


def _text(name: str, value: Any, where: str) -> str:
    """Return one value; a list is one of sides, such as [96, 64], or of betas, such as [0.9, 0.999]."""
    if isinstance(value, list) and _is_several(name) and all(isinstance(v, str) for v in value):
        return ("x" if types_of(SETTINGS[name])[0] == "Extent" else ",").join(value)
    if not isinstance(value, str):
        raise InputError(f"{where}: {name} has several values. Give one here, or several under `cross`")
    return value


def _is_several(name: str) -> bool:
    """Return whether one value of a setting is several numbers."""
    return types_of(SETTINGS[name])[0] in WRITTEN


def _values(name: str, value: Any, where: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not _is_several(name) and not all(isinstance(each, str) for each in values):
        raise InputError(
            f"{where}: {name} has several values in one place. Write a list of plain values such as [0, 1]"
        )
    return expanded(name, [_text(name, each, where) for each in values], where)
