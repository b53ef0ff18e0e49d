"""The folder that the program keeps between runs, and the measurements that it remembers there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import DiskFull
from .durable import text, write_text


def root() -> Path:
    """Return the cache folder: $ISOSCALE_CACHE, else $XDG_CACHE_HOME/isoscale, else ~/.cache/isoscale."""
    if given := os.environ.get("ISOSCALE_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "isoscale"


def remembered(what: str, key: Mapping[str, Any], find: Callable[[], Any]) -> Any:
    """Return the value remembered for that key, or find it now and remember it. Keys and values are JSON.

    The key must name everything that the value depends on. If the folder is not writable, the next run searches again,
    and there is no error.
    """
    asked = json.dumps({"what": what, **key}, sort_keys=True)
    whole, digest = json.loads(asked), hashlib.sha256(asked.encode()).hexdigest()[:16]  # as JSON stores it: no tuples
    path = root() / "measured" / f"{what}-{digest}.json"
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        kept = json.loads(text(path))
        if kept["key"] == whole:
            return kept["found"]
    found = find()
    with suppress(OSError, DiskFull):
        write_text(path, json.dumps({"key": whole, "found": found}, indent=1))
    return found


def forget(what: str, key: Mapping[str, Any], is_wrong: Callable[[Any], bool]) -> None:
    """Remove wrong remembered values whose keys contain these items."""
    asked = json.loads(json.dumps({"what": what, **key}))
    for path in (root() / "measured").glob(f"{what}-*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            kept = json.loads(text(path))
            if asked.items() <= kept["key"].items() and is_wrong(kept["found"]):
                path.unlink()
