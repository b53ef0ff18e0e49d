"""YAML as text: one document, whose keys are there once each."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..errors import InputError


def document(text: str, name: str, *, typed: bool = False) -> Any:
    """Return the lists, mappings and texts of a YAML file. With `typed`, also its numbers and switches, as YAML 1.1.

    Raises InputError for a text that is not YAML, that repeats a key, or whose aliases contain themselves.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        loader = (yaml.SafeLoader if typed else yaml.BaseLoader)(text)
        node = loader.get_single_node()
        _require_once(node, name, {})
        return loader.construct_document(node) if node else None
    except InputError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1} of " if error.problem_mark else ""
        raise InputError(f"{line}{name} cannot be read as YAML ({error.problem}). Fix that line") from None
    except yaml.reader.ReaderError as error:
        at = text.count("\n", 0, error.position) + 1
        raise InputError(
            f"line {at} of {name} cannot be read as YAML, because it has the character U+{error.character:04X}. "
            "Remove it"
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{name} cannot be read as YAML ({' '.join(str(error).split())}). Fix that line") from None


def _require_once(node: Any, name: str, complete: dict[int, bool]) -> None:
    """Raise InputError for a key that is twice in a mapping, of which YAML would keep the last in silence.

    `complete` has each node that was met, and whether all below it was. An alias inside of its anchor never ends.
    """
    if not isinstance(getattr(node, "value", None), list) or complete.get(id(node)):
        return
    line = node.start_mark.line + 1
    if id(node) in complete:
        raise InputError(f"{name}: what begins in line {line} contains itself by an alias. Write its content instead")
    complete[id(node)] = False
    keys = [key.value for key, _ in node.value if key.id == "scalar"] if node.id == "mapping" else []
    if len(keys) > len(set(keys)):
        key, _ = Counter(keys).most_common(1)[0]
        raise InputError(f"{name}: line {line} begins a mapping with {key!r} twice. Keep one")
    for child in node.value:
        for each in child if isinstance(child, tuple) else (child,):
            _require_once(each, name, complete)
    complete[id(node)] = True
