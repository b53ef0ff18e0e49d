"""Runs and folders on the Hub: one commit per upload upon a known parent, downloads of one commit, verified."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app import hub
from app.artifacts import card
from app.artifacts.paths import Run
from app.durable import require_space
from app.errors import HubUnavailable, InputError

_RACES = 8  # times that another writer may be quicker before an upload gives up
_NEVER_UPLOADED = (".state", ".lock", ".push", ".holder", ".aside", ".scratch")


def files_of(local: Path) -> tuple[dict[str, Path], list[Run]]:
    """What an upload of a path takes: name within the Hub's folder -> file, and the finished runs among it.

    A run is named by its stem (`checkpoints/vit_classic/model_...`) or by its `.json`; a folder is taken whole but for
    hidden files, unfinished state and locks. Raises InputError where there is nothing.
    """
    record = local if local.suffix == ".json" else Path(f"{local}.json")
    if record.name.startswith("model_") and record.is_file():
        run = Run.load(record)
        if not run.done:
            raise InputError(f"run {run.record['run_id']} is not finished; its train command continues it")
        return {path.name: path for path in run.files.present()}, [run]
    if local.is_file() and not _is_uploaded(local.name):
        raise InputError(f"{local} is a hidden or unfinished file and is never uploaded")
    if local.is_file():
        return {local.name: local}, []
    files = {path.relative_to(local).as_posix(): path for path in sorted(local.rglob("*")) if path.is_file()}
    files = {name: path for name, path in files.items() if _is_uploaded(name) and not path.is_symlink()}
    if not files:
        raise InputError(f"there is nothing to upload at {local}; give a run, a file or a folder that holds files")
    runs = [Run.load(path) for name, path in files.items() if re.fullmatch(r"model_.*\.json", path.name)]
    return files, [run for run in runs if run.done]


def _is_uploaded(name: str) -> bool:
    parts = name.split("/")
    return not any(part.startswith(".") or part.endswith(_NEVER_UPLOADED) for part in parts)


def upload(local: Path, folder: str, *, private: bool = False, message: str | None = None) -> str:
    """Puts a run, a folder or a file into the repository's folder in one commit; returns the commit's address.

    The repository's README is rebuilt in the same commit; where another upload is quicker, upon its commit.
    """
    files, runs = files_of(local)
    folder = str(hub.safe_path(folder.strip("/") or "."))
    repository = hub.repository()
    hub.require_writable(repository, private=private)
    prefix = "" if folder == "." else f"{folder}/"
    for _ in range(_RACES):
        parent = hub.head(repository)
        operations = _operations(repository, parent, files, runs, prefix)
        try:
            return hub.commit(repository, operations, message=message or f"Add {local.resolve().name}", parent=parent)
        except hub.StaleParent:
            continue
    raise HubUnavailable(f"{repository} was written by others {_RACES} times in between; upload again")


def _operations(repository: str, parent: str, files: dict[str, Path], runs: list[Run], prefix: str) -> list[Any]:
    from huggingface_hub import CommitOperationAdd

    texts: dict[str, str] = {}
    there = hub.listing(repository, parent)
    folders = {run.files.stem: (prefix + _folder_in(files, run)).strip("/") for run in runs}
    for run in runs:
        if len(runs) == 1 and "README.md" not in files:
            folder = folders[run.files.stem]
            address = f"hf://{repository}/{folder}".rstrip("/")
            texts[f"{folder}/README.md".lstrip("/")] = card.run_card(run, address)
    if runs and not (prefix == "" and "README.md" in files) and _may_index(repository, parent, there):
        texts["README.md"] = _index(repository, parent, there, runs, folders)
    adds = [CommitOperationAdd(prefix + name, str(path)) for name, path in files.items()]
    return adds + [CommitOperationAdd(name, text.encode()) for name, text in texts.items()]


def _may_index(repository: str, parent: str, there: dict[str, Any]) -> bool:
    """Whether the root README is our index or missing; one that somebody wrote by hand is left as it is."""
    return "README.md" not in there or "library_name: isoscale" in _readme(repository, parent, there)


def _readme(repository: str, parent: str, there: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "README.md"
        hub.fetch(repository, parent, there["README.md"], target)
        return target.read_text(encoding="utf-8", errors="replace")


def _folder_in(files: dict[str, Path], run: Run) -> str:
    """Where in an upload a run's files lie."""
    name = next(name for name, path in files.items() if path == run.files.record)
    return name.rpartition("/")[0]


def _index(repository: str, parent: str, there: dict[str, Any], runs: list[Run], folders: dict[str, str]) -> str:
    """The root README with these runs added to those it lists that are still there."""
    new = {run.files.stem: card.index_entry(run) for run in runs}
    where = {Path(path).stem: str(Path(path).parent) for path in there if Path(path).name.startswith("model_")}
    old = _listed(repository, parent, there)
    entries = {name: entry for name, entry in old.items() if name in where} | new
    return card.index_card(repository, list(entries.values()), where | folders)


def _listed(repository: str, parent: str, there: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The root README's model-index by name, without entries that are not ours; of a broken one, nothing."""
    from huggingface_hub import metadata_load
    from yaml import YAMLError  # type: ignore[import-untyped]

    if "README.md" not in there:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "README.md"
        hub.fetch(repository, parent, there["README.md"], target)
        try:
            listed = (metadata_load(target) or {}).get("model-index") or []
        except (ValueError, YAMLError):
            return {}
    return {entry["name"]: entry for entry in listed if _is_ours(entry)}


def _is_ours(entry: Any) -> bool:
    try:
        return "run_id" in entry["results"][0]["metrics"][0]["args"]
    except (LookupError, TypeError):
        return False


def parse_address(path: str) -> tuple[str, str]:
    """Repository and path within it: of `hf://owner/name/path`, or of a plain path in HF_REPOSITORY."""
    if not path.startswith("hf://"):
        return hub.repository(), path
    owner, _, rest = path.removeprefix("hf://").partition("/")
    name, _, folder = rest.partition("/")
    if not owner or not name:
        raise InputError(f"{path} is no address of the form hf://owner/name/path")
    return f"{owner}/{name}", folder


def download(path: str, target: Path, say: Callable[[str], None]) -> list[Path]:
    """Puts the contents of a folder of the Hub, or one file, into a local folder; returns what is there now.

    All files come from one commit and are compared with its checksums; those already there are not fetched again.
    """
    repository, folder = parse_address(path)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file; give a folder to download into")
    folder = folder.strip("/")
    sha = hub.head(repository)
    files = hub.listing(repository, sha, folder)
    if not files:
        raise InputError(f"{repository} has no {folder or 'files'}; look at what it has on the Hub's page")
    base = folder if folder not in files else folder.rpartition("/")[0]
    places = {target / hub.safe_path(name[len(base) :].lstrip("/")): file for name, file in files.items()}
    missing = {place: file for place, file in places.items() if not hub.matches(place, file)}
    require_space(target, sum(file.size or 0 for file in missing.values()), f"downloading {path}")
    for number, (place, file) in enumerate(missing.items(), start=1):
        say(f"{number}/{len(missing)} {file.rfilename} ({file.size:,} bytes)")
        hub.fetch(repository, sha, file, place)
    return list(places)
