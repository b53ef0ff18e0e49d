"""A W&B sweep file: its method, metric, parameters and early termination, checked as W&B's schema does."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..studies import embedded, rows, yamltext
from ..tables.names import suggestion
from . import hyperband, metric, parameters
from .hyperband import Hyperband
from .metric import Metric
from .parameters import Parameter

METHODS = ("grid", "random", "bayes")
_OF_WANDB = (  # what W&B's service and agents read; it has no effect here
    "program", "command", "project", "entity", "controller", "job", "image_uri", "apiVersion", "kind", "description",
    "name",
)  # fmt: skip
_UNSUPPORTED = ("scheduler", "metrics")
_KEYS = ("method", "metric", "parameters", "early_terminate", "run_cap", *_OF_WANDB)
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")  # which YAML 1.1 reads as text unless it has . and a sign


@dataclass(frozen=True, kw_only=True)
class SweepFile:
    """A sweep as its file describes it. `notes` are what a reader must know of how the file was read."""

    name: str  # of the file, without its ending
    method: str
    metric: Metric
    parameters: tuple[Parameter, ...]
    early_terminate: Hyperband | None
    run_cap: int | None
    notes: tuple[str, ...]


def read(path: Path) -> SweepFile:
    """Return the sweep of a YAML file, or of a data URL that contains one. Raises InputError."""
    text, named = rows.text(path, "sweep", "Give a YAML file of W&B's schema"), embedded.named(path)
    if named.suffix.lower() not in (".yaml", ".yml"):
        raise InputError(f"the sweep {named} is not YAML by its name. Valid endings: .yaml, .yml. Rename the file")
    given = yamltext.document(text, named.name, typed=True)
    if not isinstance(given, dict) or not given:
        raise InputError(f"{named.name} is not a sweep. Write `method:` and `parameters:`, as in W&B's sweeps")
    try:
        return _sweep(given, named)
    except InputError as error:
        raise InputError(f"{named.name}: {error}") from None


def _sweep(written: dict[Any, Any], named: Path) -> SweepFile:
    _require_known(written)
    numbers: list[str] = []
    given = {
        key: value if key in _OF_WANDB else _with_numbers(value, "" if key == "parameters" else key, numbers)
        for key, value in written.items()
    }
    rule = given.get("early_terminate")
    searched = parameters.of_mapping(given.get("parameters"))
    return SweepFile(
        name=re.sub(r"[^\w.-]", "-", named.stem),
        method=given["method"],
        metric=_metric(given),
        parameters=tuple(searched),
        early_terminate=None if rule is None else hyperband.of_mapping(rule),
        run_cap=_run_cap(given),
        notes=tuple(_notes(given, numbers, searched)),
    )


def _require_known(given: Mapping[Any, Any]) -> None:
    """Raise InputError for a method or a key that is unknown or not supported."""
    method = given.get("method")
    for key in given:
        if key not in (*_KEYS, *_UNSUPPORTED):
            raise InputError(f"unknown key {key!r}. {suggestion(str(key), list(_KEYS))}")
    if method == "custom" or not given.keys().isdisjoint(_UNSUPPORTED):
        raise InputError(
            "`method: custom`, `scheduler` and `metrics` are not supported, because they name a program of W&B's own. "
            f"Use one of the methods {', '.join(METHODS)} and one `metric`"
        )
    if "method" not in given:
        raise InputError(f"the file has no method. Write `method: random`, for example. Methods: {', '.join(METHODS)}")
    if method not in METHODS:
        raise InputError(f"method is {method!r}. {suggestion(str(method), list(METHODS))}")


def _metric(given: Mapping[str, Any]) -> Metric:
    if given.get("metric") is not None:
        return metric.of_mapping(given["metric"])
    for name in ("bayes", "early_terminate"):
        if given["method"] == name or given.get(name) is not None:
            raise InputError(f"{name} needs a metric. Write `metric: {{name: val_loss, goal: minimize}}`")
    return metric.DEFAULT


def _run_cap(given: Mapping[str, Any]) -> int | None:
    cap = given.get("run_cap")
    if cap is None:
        return None
    if type(cap) not in (int, float) or cap < 1 or not float(cap).is_integer():
        raise InputError(f"run_cap is {cap!r}. Use a whole number of at least 1")
    return int(cap)


def _with_numbers(given: Any, where: str, numbers: list[str]) -> Any:
    """Return a part of a file with texts such as `1e-4` as numbers; each is noted in `numbers`."""
    if isinstance(given, dict):
        return {key: _with_numbers(value, f"{where}.{key}".lstrip("."), numbers) for key, value in given.items()}
    if isinstance(given, list):
        return [_with_numbers(value, where, numbers) for value in given]
    if isinstance(given, int) and abs(given) > sys.float_info.max:
        raise InputError(f"{where} is above the largest number of 1.8e308. Use a smaller one")
    if isinstance(given, str) and _EXPONENT.fullmatch(given):
        numbers.append(f"{given} of {where}")
        return float(given)
    return given


def _notes(given: Mapping[str, Any], numbers: list[str], searched: Sequence[Parameter]) -> Iterator[str]:
    yield from (note for each in searched if (note := each.note))
    if (given.get("metric") or {}).get("impute_while_running") not in (None, False, "false"):
        yield "impute_while_running of the metric has no effect here, because draws depend on ended trials only"
    if numbers:
        yield f"YAML reads these numbers as texts, and they are read as numbers here: {', '.join(numbers)}"
    unused = [key for key in _OF_WANDB if key in given and key not in ("name", "description")]
    if unused:
        yield f"{', '.join(unused)} of the file are for W&B's agents and have no effect here"
    rule = given.get("early_terminate")
    if rule is not None and "strict" not in rule:
        yield (
            "early_terminate has no `strict`, which is read as true: a run is compared by its value at the band. W&B's "
            "schema sets true, and its documentation states false"
        )
