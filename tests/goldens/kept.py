"""The goldens as they lie in files of JSON beside this one, and how what is seen now is compared with them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import observe

FOLDER = Path(__file__).parent
# Relative, of sums over a model's weights, on a machine whose bits are not known. Adam's first steps are the sign of a
# gradient, so that rounding moves them: two kinds of vector instructions differed by up to 1.8e-5 after three steps.
CLOSE = {"sums.initial": 1e-5, "sums.final": 1e-4}
_TREES = ("record_keys", "config_fields")  # lists that many entries share: kept once, by number


def load(topic: str) -> dict[str, Any]:
    """The entries of one topic, by name."""
    kept = json.loads((FOLDER / f"{topic}.json").read_text())
    trees = kept.pop("(shared)", [])
    for entry in kept.values():
        if isinstance(entry, dict):
            entry |= {name: trees[entry[name]] for name in _TREES if name in entry}
    return kept


def save(topic: str, entries: dict[str, Any]) -> None:
    """Writes the entries of one topic, in the order of their names."""
    trees: list[Any] = []
    out: dict[str, Any] = {}
    for name in sorted(entries):
        entry = entries[name]
        if isinstance(entry, dict) and any(tree in entry for tree in _TREES):
            entry = dict(entry)
            for tree in _TREES:
                if tree in entry:
                    if entry[tree] not in trees:
                        trees.append(entry[tree])
                    entry[tree] = trees.index(entry[tree])
        out[name] = entry
    out |= {"(shared)": trees} if trees else {}
    (FOLDER / f"{topic}.json").write_text(_written(out) + "\n")


def _written(value: Any, indent: str = "") -> str:
    """JSON with a line for each key, and short values on one line."""
    flat = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(flat) + len(indent) <= 110 or not value or not isinstance(value, dict | list):
        return flat
    inner = indent + " "
    if isinstance(value, dict):
        parts = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {_written(value[key], inner)}" for key in sorted(value)
        ]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _written(each, inner) for each in value) + f"\n{indent}]"


def merged(golden: dict[str, Any] | None, seen: dict[str, Any]) -> dict[str, Any]:
    """A training's entry with the bits of this machine beside those of others; new, where anything else differs."""
    machine = {observe.machine(): seen["bytes"]}
    if golden is None or [*differences({**golden, "bytes": 0}, {**seen, "bytes": 0})]:
        return {**seen, "bytes": machine}
    return {**golden, "bytes": golden["bytes"] | machine}


def differs(golden: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    """What differs of a training: all but bits everywhere, bits where this machine's are known."""
    known = golden["bytes"].get(observe.machine())
    same = {"bytes": known} if known else {"bytes": seen["bytes"]}
    return lost({**golden, **same}, seen)


def lost(golden: Any, seen: Any) -> list[str]:
    """What is gone or another value; what is new (a setting, a metric, a key, a column) takes nothing from anyone."""
    return [*differences(golden, seen, additions=False)]


def differences(golden: Any, seen: Any, at: str = "", *, additions: bool = True) -> Iterator[str]:
    """A sentence for each place where two values of JSON differ; weights' sums may differ a little."""
    if isinstance(golden, dict) and isinstance(seen, dict):
        for key in sorted(golden.keys() | seen.keys()):
            where = f"{at}.{key}".lstrip(".")
            if key not in seen:
                yield f"{where} is gone; it was {_short(golden[key])}"
            elif key in golden:
                yield from differences(golden[key], seen[key], where, additions=additions)
            elif additions:
                yield f"{where} is new: {_short(seen[key])}"
    elif at in CLOSE and len(golden) == len(seen):
        if not all(math.isclose(one, other, rel_tol=CLOSE[at]) for one, other in zip(golden, seen, strict=True)):
            yield f"{at} was {golden}, is {seen}"
    elif isinstance(golden, list) and isinstance(seen, list) and len(golden) == len(seen):
        for number, (one, other) in enumerate(zip(golden, seen, strict=True)):
            yield from differences(one, other, f"{at}[{number}]", additions=additions)
    elif isinstance(golden, list) and isinstance(seen, list) and all(isinstance(one, str) for one in golden + seen):
        if not additions and golden == [name for name in seen if name in golden]:  # the same ones in the same order
            return
        yield f"{at} lost {sorted(set(golden) - set(seen))} and gained {sorted(set(seen) - set(golden))}"
    elif golden != seen or type(golden) is not type(seen):
        yield f"{at} was {_short(golden)}, is {_short(seen)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]} ..."
