"""A study's folder in the repository: `studies/<name>/` with its results, its looks, its report and a card."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from ..system import hub, repositories
from . import index, store

_FOLDER = "studies"
_KEPT = ("results.csv", "results.parquet", "looks.jsonl")  # of the local folder, where they exist
_PLACE = "https://huggingface.co"


def upload(
    folder: Path, *, texts: Mapping[str, str] | None = None, private: bool = False, say: Callable[[str], None]
) -> str:
    """Upload the results of a study's local folder, and more files by their names. Return the commit's address.

    Raises InputError without a repository or a token, and HubUnavailable.
    """
    with tempfile.TemporaryDirectory() as made:
        parcel = Path(made) / folder.name
        parcel.mkdir()
        for path in _kept(folder):
            shutil.copyfile(path, parcel / path.name)
        for name, text in (texts or {}).items():
            (parcel / name).write_text(text, encoding="utf-8")
        message = f"Add the results of study {folder.name}"
        return store.upload(parcel, f"{_FOLDER}/{folder.name}", private=private, message=message, say=say)


def _kept(folder: Path) -> Iterable[Path]:
    return [path for name in _KEPT if (path := folder / name).is_file()]


def records(stems: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of the records in the repository, by run ID, from the runs' stems by run ID.

    Runs that are not there have none.
    """
    repository = hub.repository()
    if not repositories.exists(repository):
        return {}
    where = index.folders(repositories.listing(repository, repositories.head(repository)))
    return {
        run_id: f"{_PLACE}/{repository}/blob/main/{quote(f'{where[stem]}/{stem}.json'.removeprefix('./'))}"
        for run_id, stem in stems.items()
        if stem in where
    }
