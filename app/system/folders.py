"""Folders of the user that the program keeps things in."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """Return where datasets and measured choices are kept: $ISOSCALE_CACHE, else isoscale/ in the user's cache."""
    if given := os.environ.get("ISOSCALE_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "isoscale"
