"""The index of the runs under a folder: the values of each record that a lookup needs.

With it, unchanged records are not opened. It is a cache in one file, which may be deleted at any time. It is read and
written without a lock, since it is replaced in one step. A folder that cannot be written, or has few runs, has no
index.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from ..config.checks import file_part
from ..config.run import RunConfig
from ..errors import Explained
from ..system.durable import content, write_text
from ..system.walk import entries, visible
from . import record
from .parts import Best, Failure, Number
from .record import Record, Status

NAME = ".index.json"
RECORDS = "model_*.json"
_FORMAT = 6
_WORTH = 20  # runs: fewer are read about as fast as an index is written, so they get none
_LONG = ("per_class", "confusion")  # of a test: the counts behind its numbers
_SETTLED = 2_000_000_000  # nanoseconds: a file that changed less than this before it was read may have changed again

Say = Callable[[str], None]


class Entry(msgspec.Struct, kw_only=True, frozen=True):
    """A readable record: its file's stat when it was read, and the values that find, filter and list runs."""

    name: str  # the record's path below the folder
    mtime_ns: int
    bytes: int
    inode: int  # if it differs, the file was replaced, perhaps with its old time
    settled: bool  # False: the file was so new that its time may hide another change
    run_id: str
    status: Status
    model: str
    size: str
    dataset: str
    kin_id: str  # RunConfig.kin_id
    config: dict[str, Any]  # every field, also those that a record of an earlier version lacks
    parameters: int
    total_steps: int
    started: str
    finished: str
    failure: Failure | None = None
    failures: int = 0  # how often the run failed
    versions: dict[str, str]  # of the program and its libraries, when the run was begun
    seconds: Number | None = None  # of training
    tag: str | None = None
    flops_per_image: Number | None = None
    tokens: int
    best: Best | None = None
    spent: dict[str, Number]  # seconds of each stage, and of the machines' occupation
    energy_kwh: Number | None = None
    dollars: Number | None = None
    results: dict[str, dict[str, Any]]  # the tests of the final, best, averaged and kept weights, without _LONG

    @property
    def path(self) -> PurePosixPath:
        """The record's path below the folder."""
        return PurePosixPath(self.name)

    @property
    def settings(self) -> dict[str, Any]:
        """The values that runs are selected by: the configuration and the tag."""
        return self.config | {"tag": self.tag}

    @property
    def epochs(self) -> int:
        """The number of epochs of the run."""
        found: int = self.config["epochs"]
        return found

    @property
    def preference(self) -> tuple[bool, bool, bool, str]:
        """The sort key of a run's copies, of which the greatest is used.

        A finished copy is greater, then one where `train` writes it, then the newest.
        """
        place = self.path.parent
        own, root = place == PurePosixPath(file_part(self.model)), place == PurePosixPath()
        return self.status == "done", own, root, self.finished or self.started


class _Index(msgspec.Struct, kw_only=True):
    format: int
    entries: list[Entry]


def opened(folder: Path, say: Say | None = None, *, named: str = RECORDS) -> Iterator[tuple[Entry, Record]]:
    """Yield every readable record below a folder whose name matches. Each file is opened, except in hidden folders.

    `say` reports a record that cannot be read, and it is skipped. Without `say`, such a record raises Explained.
    """
    for path in _records(folder, named, say):
        if found := _opened(folder, path, say):
            yield found


def entry_of(path: Path) -> Entry:
    """Return the entry of one record, with its path below the folder that it is in.

    Raises Explained if it cannot be read.
    """
    found = _opened(path.parent, path, None)
    assert found, "an unreadable record is an error where nothing is reported"
    return found[0]


def updated(folder: Path, say: Say | None = None) -> list[Entry]:
    """Return the entries of all readable records below a folder, and update the index.

    Only records that changed are opened.
    """
    known = {entry.name: entry for entry in _read(folder)}
    found = []
    for path in _records(folder, RECORDS, say):
        entry = known.get(path.relative_to(folder).as_posix())
        if entry and _unchanged(entry, path):
            found.append(entry)
        elif new := _opened(folder, path, say):
            found.append(new[0])
    if found != list(known.values()) and (known or len(found) >= _WORTH):
        _write(folder, found)
    return found


def _records(folder: Path, named: str, say: Say | None = None) -> list[Path]:
    """Return every file whose name matches in a folder and below it, also behind links.

    `say` reports unreadable folders.
    """

    def refused(error: OSError) -> None:
        if say:
            say(f"passed over: the folder {error.filename} cannot be read ({error.strerror})")

    found = [entry.path for entry in entries(folder, is_looked_at, refused) if fnmatch.fnmatchcase(entry.name, named)]
    return sorted(map(Path, found))


def is_looked_at(name: str) -> bool:
    """Return whether a name is neither hidden nor that of a run's folder: state, upload, tracking."""
    return visible(name) and not name.endswith((".state", ".push", ".tracking", ".tensorboard"))


def _opened(folder: Path, path: Path, say: Say | None) -> tuple[Entry, Record] | None:
    """Return the record at a path and its entry, with the file's time before it was opened."""
    now = time.time_ns()
    try:
        about = path.stat() if path.exists() else None
        found = record.read(path)
    except Explained as error:
        if say is None:
            raise
        say(f"passed over: {error}")
        return None
    config = RunConfig.from_json(found.config)
    mtime_ns, size, inode = (about.st_mtime_ns, about.st_size, about.st_ino) if about else (now, 0, 0)
    entry = Entry(
        name=path.relative_to(folder).as_posix(), mtime_ns=mtime_ns, bytes=size, inode=inode,
        settled=mtime_ns < now - _SETTLED,
        run_id=found.run_id, status=found.status, model=found.model, size=found.size, dataset=found.dataset,
        kin_id=config.kin_id, config=_as_read(config.to_json()), parameters=found.parameters.total,
        total_steps=found.schedule.total_steps, started=found.started, finished=found.finished, failure=found.failure,
        failures=found.failures or int(found.failure is not None), versions=_versions(found),
        seconds=found.seconds.training if found.seconds else None, tag=found.tag,
        flops_per_image=found.flops_per_image, tokens=found.tokens, best=found.best, spent=_spent(found),
        energy_kwh=found.energy_kwh, dollars=found.dollars, results=_tests(found),
    )  # fmt: skip
    return entry, found


def _versions(found: Record) -> dict[str, str]:
    return {name: found.versions[name] for name in ("isoscale", "torch") if name in (found.versions or {})}


def _as_read(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values as they are read from a JSON file, with lists in place of tuples."""
    return dict(msgspec.json.decode(msgspec.json.encode(values)))


def _spent(found: Record) -> dict[str, Number]:
    """Return the known seconds of each stage, and the sum of those at all places."""
    stages = msgspec.to_builtins(found.seconds) if found.seconds else {}
    places = [place.seconds for place in found.places if place.seconds is not None]
    return stages | ({"occupied": round(sum(places), 1)} if places else {})


def _tests(found: Record) -> dict[str, dict[str, Any]]:
    """Return the numbers of a run's tests on its test split."""
    tests = {name: getattr(found.results, name, None) for name in ("test", "test_best", "test_ema", "test_kept")}
    numbers = {name: msgspec.to_builtins(test) for name, test in tests.items() if test}
    return {name: {key: value for key, value in test.items() if key not in _LONG} for name, test in numbers.items()}


def _unchanged(entry: Entry, path: Path) -> bool:
    with suppress(OSError):
        about = path.stat()
        now = (about.st_mtime_ns, about.st_size, about.st_ino)
        return entry.settled and now == (entry.mtime_ns, entry.bytes, entry.inode)
    return False


def _read(folder: Path) -> list[Entry]:
    """Return the entries of the stored index, or none if it is missing, damaged or of another version."""
    with suppress(OSError, ValueError, RecursionError):
        found = msgspec.json.decode(content(folder / NAME), type=_Index)
        if found.format == _FORMAT:
            return found.entries
    return []


def _write(folder: Path, entries: list[Entry]) -> None:
    """Replace the index. An error is ignored, since it only costs the next command some time."""
    if folder.is_dir():
        with suppress(OSError, Explained):
            write_text(folder / NAME, msgspec.json.encode(_Index(format=_FORMAT, entries=entries)).decode())
