"""Runs and folders on the Hub: one commit per upload on a known parent, verified downloads of one commit."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import HubUnavailable, InputError
from ..system import hub, repositories
from ..system.durable import NAME_BYTES, require_space
from ..system.printable import NAME, printable
from . import branch, card, entry, index, table
from .parcel import ROOT, Parcel, pack

Say = Callable[[str], None]
_NAME_BYTES = NAME_BYTES - len(".metadata")  # of a file's name; the client stores a file with this ending next to it
_RACES = 8  # how often another writer may be faster before an upload fails


def upload(
    local: Path, folder: str, *, private: bool = False, message: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:  # fmt: skip
    """Upload a run, a folder or a file into the repository's folder in one commit. Return the commit's address.

    The repository's README is rebuilt in the same commit. If another upload is faster, it is rebuilt on that commit.
    Unfinished runs are skipped and reported. A run never replaces the files of another. Invalid input raises InputError
    before the first request. The branches with the runs' unfinished states are removed.
    """
    repository, within = parse_address(folder)
    parcel = pack(local, _visible(within))
    message = message or f"Add {local.resolve().name}"
    repositories.require_writable(repository, private=private)
    if parcel.unfinished:
        say(f"skipped unfinished runs: {', '.join(parcel.unfinished)}. The train command of a run resumes it")
    for _ in range(_RACES):
        said: list[str] = []
        parent = repositories.head(repository)
        there = repositories.listing(repository, parent) if parcel.runs else {}
        operations = _operations(repository, parent, there, _placed(parcel, there, said.append), said.append)
        try:
            address = repositories.commit(repository, operations, message=message, parent=parent)
        except hub.StaleParent:
            continue
        for text in said:
            say(text)
        branch.discard(repository, parcel.runs.values(), say)
        return address
    raise HubUnavailable(f"other uploads changed {repository} {_RACES} times in between. Upload again")


def _visible(folder: str) -> str:
    """Return a folder as the prefix of paths in the repository. Raise InputError if the Hub would refuse it."""
    found = repositories.safe_path(folder.strip("/") or ROOT)
    if any(part.startswith(".") for part in found.parts):
        raise InputError(f"{folder!r} is hidden. Give a folder whose name does not begin with a dot")
    return found.as_posix()


def _placed(parcel: Parcel, there: Mapping[str, Any], say: Say) -> Parcel:
    """Return the parcel with a separate folder for each run whose folder has another run's card or record."""
    for folder, run in parcel.runs.items():
        above = "" if folder == ROOT else f"{folder}/"
        records = [name for name in there if index.is_record(name) and name.rpartition("/")[0] == above.rstrip("/")]
        own = f"{above}{run.files.record.name}"
        foreign = folder != ROOT and f"{above}README.md" in there and own not in records
        if PurePosixPath(folder).name != run.files.stem and (foreign or set(records) - {own}):
            parcel = parcel.apart(folder)
            say(f"{folder} has the card or the files of another run, so this run is in {above}{run.files.stem}")
    return parcel


def _cards(repository: str, parcel: Parcel) -> dict[str, str]:
    """Return a README for every run's folder that has none in the parcel. The README at the top is the index."""
    found = {}
    for folder, run in parcel.runs.items():
        if folder != ROOT and (path := f"{folder}/README.md") not in parcel.files:
            names = {each.name for each in map(PurePosixPath, parcel.files) if each.parent == PurePosixPath(folder)}
            found[path] = card.run_card(run, f"hf://{repository}/{folder}", names)
    return found


def _operations(repository: str, parent: str, there: dict[str, Any], parcel: Parcel, say: Say) -> list[Any]:
    from huggingface_hub import CommitOperationAdd

    texts = _cards(repository, parcel) | _index(repository, parent, there, parcel, say)
    adds = [CommitOperationAdd(name, str(path)) for name, path in parcel.files.items() if name not in texts]
    return adds + [CommitOperationAdd(name, text.encode()) for name, text in texts.items()]


def _index(repository: str, parent: str, there: dict[str, Any], parcel: Parcel, say: Say) -> dict[str, str]:
    """Return the README at the top with the parcel's runs in its index.

    A README without a place for the index is kept, and reported. A README in the parcel replaces it: with the index of
    both, or unchanged if it has no place for an index.
    """
    brought = parcel.files.get("README.md")
    if not parcel.runs or (brought and not index.has_place(mine := _text(brought.read_bytes()))):
        return {}
    new = {run.files.stem: entry.index_entry(run) for run in parcel.runs.values()}
    where = index.folders(there) | {run.files.stem: folder for folder, run in parcel.runs.items()}
    try:
        theirs = _readme(repository, parent, there)
        if brought:
            new = index.entries_of(theirs) | index.entries_of(mine) | new
        return {"README.md": index.extended(repository, mine if brought else theirs, new, where, parcel.runs.values())}
    except index.Foreign as error:
        say(
            f"the README.md of {repository} stays as it is, without a table of the runs ({error}). For the table, "
            f"write the lines {table.BEGIN} and {table.END} into it, or remove it, and upload again"
        )
        return {}


def _readme(repository: str, parent: str, there: dict[str, Any]) -> str | None:
    """Return the README at the top, or None if there is none. Raise Foreign for one that is not text."""
    if (file := there.get("README.md")) is None:
        return None
    if (file.size or 0) > index.MOST_BYTES:
        raise index.Foreign(f"it has {file.size:,} bytes")
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "README.md"
        repositories.fetch(repository, parent, file, target)
        if (text := _text(target.read_bytes())) is None:
            raise index.Foreign("it is not UTF-8")
        return text


def _text(content: bytes) -> str | None:
    """Return the text of UTF-8 bytes with its line ends unchanged, or None for other bytes."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def parse_address(path: str) -> tuple[str, str]:
    """Return the repository and the path in it of `hf://owner/name/path`, or of a plain path in HF_REPOSITORY."""
    if not path.startswith("hf://"):
        return hub.repository(), path
    owner, _, rest = path.removeprefix("hf://").partition("/")
    name, _, folder = rest.partition("/")
    if not hub.NAME.fullmatch(f"{owner}/{name}"):
        raise InputError(f"{path} is not an address of the form hf://owner/name/path. Give such an address")
    return f"{owner}/{name}", folder


def download(path: str, target: Path, say: Callable[[str], None], *, commit: str | None = None) -> list[Path]:
    """Download a folder of the Hub, a run or one file into a local folder. Return the paths of its files.

    All files come from one commit, the newest by default, and are compared with its checksums. Files that already exist
    are not downloaded again. Hidden files, which programs read automatically (`.env`, `.git/config`), are skipped and
    reported.
    """
    repository, wanted = parse_address(path)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file. Give a folder to download into")
    wanted = wanted.strip("/")
    sha = commit or repositories.head(repository)
    base, there = _meant(repositories.listing(repository, sha), wanted)
    if not there:
        raise InputError(f"{repository} has no {wanted or 'files'}. See its page on the Hub for its files")
    files = {name: file for name, file in there.items() if not _is_hidden(name)}
    for name in sorted(there.keys() - files.keys()):
        say(f"skipped {printable(name)}: hidden files (a name begins with a dot) are not downloaded")
    if not files:
        raise InputError(f"{repository} has only hidden files at {wanted or 'its top'}. Choose another path")
    places = {target / repositories.safe_path(name[len(base) :].lstrip("/")): file for name, file in files.items()}
    _require_room(target, {place: file.rfilename for place, file in places.items()})
    missing = {place: file for place, file in places.items() if not repositories.matches(place, file)}
    require_space(target, sum(file.size or 0 for file in missing.values()), f"downloading {path}")
    for number, (place, file) in enumerate(missing.items(), start=1):
        say(f"{number}/{len(missing)} {file.rfilename} ({file.size:,} bytes)")
        repositories.fetch(repository, sha, file, place)
    return list(places)


def _require_room(target: Path, names: Mapping[Path, str]) -> None:
    """Raise InputError before the first download if a file cannot be stored at its place. The error names it."""
    for place, name in names.items():
        parts = PurePosixPath(name).parts
        if len(place.name.encode(errors="replace")) > _NAME_BYTES or any(re.match("[^:]:", part) for part in parts):
            raise InputError(
                f"{printable(name, NAME)} cannot be downloaded: the Hub's client supports names of at most "
                f"{_NAME_BYTES} bytes that do not begin like a drive (C:). Rename it on the Hub, or choose another "
                "path"
            )
        if place.is_dir():
            raise InputError(f"{printable(place)} is a folder, where the Hub has a file. Choose another local folder")
        above = [folder for folder in place.parents if folder != target and folder.is_relative_to(target)]
        if blocked := [folder for folder in above if folder in names or (folder.exists() and not folder.is_dir())]:
            raise InputError(
                f"{printable(blocked[0])} is a file, where the Hub has a folder. Choose another local folder"
            )


def _is_hidden(path: str) -> bool:
    """Return whether a part of a path begins with a dot. `..` is handled elsewhere."""
    return any(part.startswith(".") and part != ".." for part in PurePosixPath(path).parts)


def _meant(there: dict[str, Any], path: str) -> tuple[str, dict[str, Any]]:
    """Return the folder that a path's files are relative to, and the files that the path stands for.

    A folder stands for its contents, and a run's stem or its `.json` for all files of the run. Any other file stands
    for itself.
    """
    if inside := {name: file for name, file in there.items() if not path or name.startswith(f"{path}/")}:
        return path, inside
    parent, _, name = path.rpartition("/")
    stem = path.removesuffix(".json") if name.startswith("model_") else path
    if f"{stem}.json" in there and (path not in there or path != stem):
        own = [other for other in there if other.startswith((f"{stem}.", f"{stem}_")) and "/" not in other[len(stem) :]]
        return parent, {other: there[other] for other in own}
    return parent, {path: there[path]} if path in there else {}
