"""The folder that the program keeps between runs, and what it found out once and remembers there."""

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
    """Return what was found for that key before, or find it now; both are JSON values.

    The key has to name everything that the answer depends on. A folder that is not writable costs the next run a
    second search, and no error.
    """
    asked = json.dumps({"what": what, **key}, sort_keys=True)
    whole, digest = json.loads(asked), hashlib.sha256(asked.encode()).hexdigest()[:16]  # as a file holds it: no tuples
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
    """Remove the remembered answers that are wrong, of keys that have these values among theirs."""
    asked = json.loads(json.dumps({"what": what, **key}))
    for path in (root() / "measured").glob(f"{what}-*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            kept = json.loads(text(path))
            if asked.items() <= kept["key"].items() and is_wrong(kept["found"]):
                path.unlink()
