"""The images that a command names: in folders at any depth, as files, and in lists of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.sources.walk import ENDINGS
from ..errors import InputError
from ..system import durable

_LIST = ".txt"


@dataclass(frozen=True)
class Found:
    """The files to read, each once and in order, and the number of files in the folders without an image ending."""

    paths: list[Path]
    others: int


def found(given: Sequence[str]) -> Found:
    """Return the images that are named. Raises InputError for a path that does not exist, and if there is no image."""
    paths: dict[Path, None] = {}
    others = 0
    for name in given:
        path = Path(name).expanduser()
        if path.is_dir():
            images, rest = _below(path)
            paths |= dict.fromkeys(images)
            others += rest
        elif not path.exists():
            raise InputError(
                f"the file or folder {name} does not exist. Give images, folders of images, or a .txt list"
            )
        elif path.suffix.lower() == _LIST:
            paths |= dict.fromkeys(_listed(path))
        else:
            paths[path] = None
    if not paths:
        raise InputError(f"there is no image in {', '.join(given)} ({others:,} other files). Give images or folders")
    return Found([*paths], others)


def _below(folder: Path) -> tuple[list[Path], int]:
    """Return the images in a folder and below it, and the number of other files. Hidden names are skipped."""
    files = [*_files(folder, set())]
    images = [path for path in files if path.suffix.lower() in ENDINGS]
    return images, len(files) - len(images)


def _files(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Yield every file below a folder in the order of names, also behind links, but never a folder twice."""
    if (real := os.path.realpath(folder)) in seen:
        return
    seen.add(real)
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        if entry.is_dir():
            yield from _files(entry, seen)
        else:
            yield entry


def _listed(path: Path) -> list[Path]:
    """Return the paths in a list, one per line. A relative one begins at the folder of the list."""
    try:
        text = durable.text(path, "utf-8-sig", "surrogateescape")
    except OSError as error:
        raise InputError(f"the list {path} cannot be read ({error.strerror}). Give another file") from error
    if "\0" in text:
        raise InputError(
            f"the list {path} has NUL bytes, which text in UTF-16 contains. Save it as UTF-8, one path per line"
        )
    lines = text.splitlines()
    return [path.parent / Path(line.strip()).expanduser() for line in lines if line.strip()]


def text(path: Path) -> str:
    """Return a path as valid UTF-8, with escapes for bytes that are not text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
