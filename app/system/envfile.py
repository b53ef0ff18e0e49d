"""The `.env` file: where it is looked for, who may own it, and the few names that are read from it.

A `.env` file decides where results are sent and with whose token, so a stranger's file in a shared folder must not be
read. Only harmless names are read. HF_ENDPOINT, whose host receives the token, is not one of them. Values are not
expanded.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import InputError

NAMES = (
    "HF_TOKEN", "HF_REPOSITORY", "HF_HUB_OFFLINE",
    "ISOSCALE_CACHE", "ISOSCALE_DEBUG", "ISOSCALE_HUB_SECONDS", "ISOSCALE_IMAGE",
    "WANDB_API_KEY", "WANDB_ENTITY", "WANDB_PROJECT", "WANDB_MODE", "TRACKIO_SPACE_ID", "TRACKIO_PROJECT",
)  # fmt: skip
_RELATED = ("HF_", "HUGGING", "ISOSCALE_", "WANDB_", "TRACKIO_")  # a name with this prefix that is not read is reported
_MOST_BYTES = 2**20
_CHECKOUT = Path(__file__).resolve().parents[2]


class Ignored(Exception):
    """The reason why a file is not read."""


def load(given: Path | None = None) -> list[str]:
    """Put the values of the `.env` file into the environment, whose existing names take precedence.

    Return what to report. The file is the given one, or else the first readable one of the working folder and the
    checkout. Raises InputError if a given file does not exist. A file that may not be read is ignored and reported.
    """
    notes = []
    for path in (given,) if given else _usual():
        try:
            values = _parsed(path)
        except FileNotFoundError:
            if given:
                raise InputError(
                    f"--env-file {given} does not exist. Give the path of a file like .env.example"
                ) from None
            continue
        except Ignored as reason:
            notes.append(f"note: {path} is ignored: {reason}")
            continue
        except OSError as error:
            notes.append(f"note: {path} is ignored: it cannot be read ({error.strerror})")
            continue
        return [*notes, *_taken(path, values)]
    return notes


def _usual() -> Iterator[Path]:
    """Yield the files of the working folder and of the checkout.

    A folder `.env` is a virtual environment and is skipped.
    """
    folders = []
    with suppress(FileNotFoundError):  # a working folder that was removed
        folders.append(Path.cwd())
    if os.path.isfile(_CHECKOUT / "run.py"):  # noqa: PTH113  # not where the program is installed
        folders.append(_CHECKOUT)
    for path in (folder / ".env" for folder in dict.fromkeys(folders)):
        if not os.path.isdir(path):  # noqa: PTH112  # never raises, not even in a folder that cannot be read
            yield path


def _taken(path: Path, values: Mapping[str, str | None]) -> Iterator[str]:
    """Set the variables that the environment lacks, and yield what to report."""
    for name in NAMES:
        value = values.get(name)
        if value and "\0" in value:
            yield f"note: {name} of {path} is ignored: it contains a null character"
        elif value and name not in os.environ:
            os.environ[name] = value
    if others := [name for name in values if name.startswith(_RELATED) and name not in NAMES]:
        yield f"note: {', '.join(others)} of {path}: ignored, because only the environment may set them. Use `export`"


def _parsed(path: Path) -> dict[str, str | None]:
    """Return the values of a file. Raises Ignored for a file that may not be read, and OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # checked and read through one descriptor
    with open(file, "rb", closefd=True) as content:  # noqa: PTH123
        _require_trusted(path, os.fstat(file))
        data = content.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise Ignored(f"it has more than {_MOST_BYTES:,} bytes")
    from dotenv import dotenv_values

    return dotenv_values(stream=io.StringIO(_decoded(data)), interpolate=False)


def _decoded(data: bytes) -> str:
    """Return the text.

    Editors on Windows add a byte order mark, and PowerShell writes UTF-16. Invalid bytes are preserved.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="surrogateescape")


def _require_trusted(path: Path, found: os.stat_result) -> None:
    """Raise Ignored unless it is a regular file of a trusted owner that not everybody may write."""
    if not stat.S_ISREG(found.st_mode):
        raise Ignored("it is not a regular file")
    real = path.resolve()
    if found.st_mode & stat.S_IWOTH and _has_modes(real):
        raise Ignored(f"everybody on this machine may write it. Run: chmod o-w {path}")
    _require_owner(found.st_uid, real.parent)
    if path.is_symlink():
        _require_owner(path.lstat().st_uid, path.absolute().parent)


def _require_owner(owner: int, folder: Path) -> None:
    """Raise Ignored unless a file belongs to the user, to root, or to the owner of its folder.

    Root in a container may be an ordinary user outside, so root accepts any owner if not everybody may write to the
    folder.
    """
    user, inside = os.geteuid(), folder.stat()
    shared = bool(inside.st_mode & stat.S_IWOTH) and _has_modes(folder)
    if owner in (user, 0) or (user == 0 and not shared):
        return
    nobody = owner == _unmapped() and shared and inside.st_mode & stat.S_ISVTX  # all strangers have one number there
    if owner != inside.st_uid or nobody:
        raise Ignored(f"it belongs to user {owner}, not to you, root or the owner of its folder")


def _unmapped() -> int:
    """Return the user ID that a container shows for all users that it has no number for."""
    with suppress(OSError, ValueError):
        return int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    return 65534


def _has_modes(path: Path) -> bool:
    """Return whether a file's mode states who may write it. Windows drives, network shares and FUSE invent the mode."""
    best, kind = -1, ""
    for line in _mounts():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        if path.is_relative_to(point) and len(point) >= best:  # a later mount at the same place covers earlier ones
            best, kind = len(point), after
    name, _, options = kind.partition(" ")
    made_up = name in ("cifs", "smb3", "smbfs", "drvfs", "fakeowner") or name.startswith("fuse") or "drvfs" in options
    return not made_up


def _mounts() -> list[str]:
    """Return the lines of the kernel's mount table, or nothing if there is none."""
    with suppress(OSError):
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return []
