"""A model at the top of a repository of the Hub, where timm and transformers look for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import HubUnavailable, InputError
from ..system import hub, repositories
from ..system.printable import NAME, printable

Say = Callable[[str], None]
_RACES = 8  # how often another writer may be faster before an upload fails
_CONFIG = "config.json"
_OF_FORMATS = ("preprocessor_config.json",)  # which one format writes and would mislead another
_SHOWN = 3  # names in a message


def require_name(name: str) -> str:
    """Return `owner/name` of a repository, given so or as hf://owner/name. Raises InputError for anything else."""
    found = name.removeprefix("hf://").strip("/")
    if not hub.NAME.fullmatch(found):
        raise InputError(
            f"{name} is not a repository of the form owner/name, which --as-model uploads to. Give such a name"
        )
    return found


def place(
    folder: Path, repository: str, *, run_id: str, private: bool = False, force: bool = False,
    message: str | None = None, say: Say = lambda _: None,
) -> str:  # fmt: skip
    """Commit a folder's files to the top of a model repository, in one commit. Return the commit's address.

    A repository with other files at its top is refused, unless they are an earlier upload of the same run. With `force`
    files of the same name are replaced, and reported. Files in folders of the repository stay as they are.
    """
    repositories.require_writable(repository, private=private)
    files = {path.name: path for path in sorted(folder.iterdir())}
    for _ in range(_RACES):
        parent = repositories.head(repository)
        there = _at_top(repositories.listing(repository, parent))
        replaced = _replaced(repository, parent, there, run_id, files, force=force)
        try:
            address = repositories.commit(
                repository, _operations(files, there), message=message or f"Add run {run_id}", parent=parent,
                size=sum(path.stat().st_size for path in files.values()),
            )  # fmt: skip
        except hub.StaleParent:
            continue
        if replaced:
            say(f"replaced at the top of {repository}: {', '.join(replaced)}")
        return address
    raise HubUnavailable(f"other uploads changed {repository} {_RACES} times in between. Upload again")


def _at_top(there: Mapping[str, Any]) -> dict[str, Any]:
    """Return the visible files at the top of a repository."""
    return {name: file for name, file in there.items() if "/" not in name and not name.startswith(".")}


def _replaced(
    repository: str, parent: str, there: Mapping[str, Any], run_id: str, files: Mapping[str, Path], *, force: bool
) -> list[str]:
    """Return the names of others' files that are replaced. Raise InputError for others' files without `force`."""
    if not there or _run_id(repository, parent, there) == run_id:
        return []
    if not force:
        names = ", ".join(printable(name, NAME) for name in sorted(there)[:_SHOWN])
        raise InputError(
            f"{repository} has other files at its top ({names}). Use --force to replace those of the same name, or "
            "choose another repository"
        )
    return sorted(files.keys() & there.keys())


def _run_id(repository: str, parent: str, there: Mapping[str, Any]) -> str | None:
    """Return the ID of the run at the top of a repository, or None if its model is not from a run."""
    if _CONFIG not in there:
        return None
    try:
        found = json.loads(repositories.text(repository, parent, there[_CONFIG]))
        known = found["isoscale"]["run_id"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return known if isinstance(known, str) else None


def _operations(files: Mapping[str, Path], there: Mapping[str, Any]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    outdated = [name for name in _OF_FORMATS if name in there and name not in files]
    adds = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
    return [*adds, *(CommitOperationDelete(name) for name in outdated)]
