"""A run by the name that a user gives: an ID or its beginning, a path, or an address on the Hub."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..artifacts import runs
from ..artifacts.runs import Run
from ..system import home
from . import store

_ID = re.compile(r"[0-9a-f]{1,8}")
_HUB = "hf://"


def run_of(name: str, checkpoints: Path, say: Callable[[str], None]) -> Run:
    """Return the run that a text names. A path that exists takes precedence over an ID.

    An hf:// address is downloaded to the cache. An ID is searched for below the checkpoints. Raises InputError for none
    or several.
    """
    if is_address(name):
        return runs.at_path(fetched(name, say))
    path = Path(name).expanduser()
    if _ID.fullmatch(name) and not path.exists() and not path.with_name(f"{path.name}.json").exists():
        return runs.by_id(name, checkpoints, say)
    return runs.at_path(path)


def is_address(name: str) -> bool:
    """Return whether a text names a run on the Hub."""
    return name.startswith(_HUB)


def fetched(address: str, say: Callable[[str], None], *, commit: str | None = None) -> Path:
    """Return the folder of the cache to which a run on the Hub was downloaded, of the newest commit by default."""
    target = home.root() / "runs" / address.removeprefix(_HUB).strip("/").replace("/", "--")
    store.download(address, target, say, commit=commit)
    return target
