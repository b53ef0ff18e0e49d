"""The form of a run's record: the keys that other files rely on, and what stands behind each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import starmap
from typing import Any

_NUMBER = int | float
_TEXT_OR_NONE = str | None

# a dict: an object with these keys, and more; a list: one or more of this; a pair: exactly two; else a type
_ALWAYS = {
    "model": str,
    "size": str,
    "dataset": str,
    "command": str,
    "config": dict,
    "parameters": {"total": int, "non_embedding": int},
    "tokens": int,
    "data": {
        "hub": _TEXT_OR_NONE,
        "path": _TEXT_OR_NONE,
        "version": str,
        "class_names": [str],
        "licence": str,
        "warning": str,
        "rows": {"train": int, "val": int, "test": int},
        "split_fingerprint": str,
    },
    "versions": dict,
    "places": [{"device": str, "precision": str}],
    "execution": {"attention_path": str, "micro_batch_size": int, "threads": int},
    "schedule": {"total_steps": int, "warmup_steps": int},
}
_ONCE_DONE = {
    "best": {"epoch": int, "val_loss": _NUMBER},
    "seconds": {"training": _NUMBER},
    "results": dict,
    "files": dict,
}
_LATER = {"peak_bytes": int}  # also of a finished run; records of earlier versions lack it
_MEASURED_NUMBERS = {
    "n": int,
    "rmse": _NUMBER,
    "rmse_interval": (_NUMBER, _NUMBER),
    "mae": _NUMBER,
    "mae_interval": (_NUMBER, _NUMBER),
    "loss": _NUMBER,
    "target_std": _NUMBER,
    "resampled": str,
}
_MEASURED = {
    "n": int,
    "top1": _NUMBER,
    "top1_interval": (_NUMBER, _NUMBER),
    "top5": _NUMBER,
    "loss": _NUMBER,
    "per_class": [_NUMBER | None],
    "confusion": [[int]],
}


def lacking(record: Mapping[str, Any]) -> str | None:
    """The first key that a record lacks, or behind which something else stands, `data.rows.val`; None if it is whole.

    A finished run may be without test results, which `evaluate` makes; those that it has are whole.
    """
    if record.get("status") != "done":
        return _lacking(record, _ALWAYS, "")
    later = {name: form for name, form in _LATER.items() if name in record}
    if lacks := _lacking(record, _ALWAYS | _ONCE_DONE | later, ""):
        return lacks
    tests = [name for name in ("test", "test_best") if name in record["results"]]
    measured = _MEASURED_NUMBERS if record["config"].get("task") == "regression" else _MEASURED
    forms = {test: measured | _also(record["results"][test]) for test in tests}
    return _lacking(record["results"], forms, "results")


def _also(test: Any) -> dict[str, Any]:
    """What a test's results may hold beside, and how; records of earlier versions lack top-3.

    The errors of one simulation have no interval.
    """
    if not isinstance(test, dict):
        return {}
    wanted = {"top3": _NUMBER, "r2": _NUMBER | None}
    found = {name: form for name, form in wanted.items() if name in test}
    return found | {name: type(None) for name in ("rmse_interval", "mae_interval") if test.get(name, 0) is None}


def _lacking(value: Any, wanted: Any, name: str) -> str | None:
    kinds: dict[type, Any] = {dict: dict, list: list, tuple: list}
    if not isinstance(value, kinds.get(type(wanted), wanted)):
        return name
    if isinstance(wanted, dict):
        parts = [(_at(value, key), form, f"{name}.{key}".lstrip(".")) for key, form in wanted.items()]
    elif isinstance(wanted, list | tuple):
        forms = wanted * len(value) if isinstance(wanted, list) else wanted
        if not value or len(forms) != len(value):
            return name
        parts = [(item, form, name) for item, form in zip(value, forms, strict=True)]
    else:
        return None
    return next(filter(None, starmap(_lacking, parts)), None)


def _at(value: Mapping[str, Any], key: str) -> Any:
    """What stands there; `...`, which no JSON holds, where nothing does."""
    return value.get(key, ...)
