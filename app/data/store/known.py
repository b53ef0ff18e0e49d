"""The files of the cache that matched their checksums since this machine was started."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from ...errors import DiskFull
from ...system import durable, home, machine
from .manifest import File

_SETTLED = 2_000_000_000  # nanoseconds: a file that changed less than this before it was read may have changed again
_KEPT = 30 * 86400.0  # seconds for which the notes of earlier starts of a machine are kept


class Seen(msgspec.Struct, frozen=True):
    """A file as it was when it matched its checksum. The times are those of its content and of its inode."""

    sha256: str
    bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, about: os.stat_result, sha256: str) -> Seen:
        """Return the record of a file."""
        return cls(sha256, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)


def differing(folder: Path, files: Mapping[str, File], *, again: bool = False) -> str | None:
    """Return the first file of a cache folder that does not match its size and sha256, or None if all match.

    A file is hashed once per start of a machine, and again if its size, time or inode has changed. With `again`, every
    file is hashed.
    """
    note = _note(folder)
    known = {} if again or note is None else _read(note)
    found: dict[str, Seen] = {}
    for name, expected in files.items():
        seen = _checked(folder / name, expected, known.get(name))
        if seen is None:
            return name
        if max(seen.mtime_ns, seen.ctime_ns) < time.time_ns() - _SETTLED:
            found[name] = seen
    if note is not None and found != known:
        _write(note, found)
    return None


def all_seen(folder: Path, files: Mapping[str, File]) -> bool:
    """Return whether every file matched since this machine was started and has not changed. No file is hashed.

    A file that matched within two seconds after it was written is not recorded, so the answer for it is False.
    """
    note = _note(folder)
    known = {} if note is None else _read(note)
    try:
        return all(known[name] == Seen.of((folder / name).stat(), file.sha256) for name, file in files.items())
    except (OSError, KeyError):
        return False


def forget(folder: Path) -> None:
    """Remove the records of a folder."""
    if note := _note(folder):
        with suppress(OSError):
            note.unlink()


def _checked(path: Path, expected: File, known: Seen | None) -> Seen | None:
    """Return the file's record, or None if the file has changed since it was written.

    A file whose record is known is not hashed.
    """
    try:
        before = path.stat()
        if not path.is_file() or before.st_size != expected.bytes:
            return None
        if known == Seen.of(before, expected.sha256):
            return known
        return Seen.of(before, expected.sha256) if durable.sha256(path) == expected.sha256 else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _note(folder: Path) -> Path | None:
    """Return the file of the records for this start of this machine, or None if the start cannot be identified."""
    if (boot := machine.boot_id()) is None:
        return None
    key = hashlib.sha256(f"{boot} ".encode() + os.fsencode(os.path.realpath(folder))).hexdigest()[:16]
    return home.root() / "verified" / f"{key}.json"


def _read(note: Path) -> dict[str, Seen]:
    with suppress(OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return msgspec.json.decode(durable.content(note), type=dict[str, Seen])
    return {}


def _write(note: Path, found: Mapping[str, Seen]) -> None:
    """Write the records. An error is ignored, since it only costs the next start some time."""
    with suppress(OSError, DiskFull):
        durable.write_text(note, json.dumps(msgspec.to_builtins(found)))
        for other in note.parent.glob("*.json"):
            if time.time() - other.stat().st_mtime > _KEPT:
                other.unlink(missing_ok=True)
