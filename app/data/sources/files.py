"""Datasets of the user's own files: where they lie, and a fingerprint of what they hold."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ...errors import InputError
from ...system.durable import sha256
from ...system.walk import require_files

# Names that systems and tools make for themselves, and that nobody means by a class.
_SYSTEM = (
    "._*", ".DS_Store", ".AppleDouble", ".Spotlight-*", ".fseventsd", ".TemporaryItems", ".Trash*", "__MACOSX",
    ".ipynb_checkpoints", "__pycache__", ".git", ".hg", ".svn", ".dvc", ".cache", ".thumbnails", ".idea", ".vscode",
    ".venv", ".snapshot", ".nfs*",
)  # fmt: skip


def folder(path: str) -> Path:
    """The folder a path names; raises InputError when there is none or it is empty."""
    found = Path(path).expanduser()
    if not found.is_dir():
        raise InputError(f"there is no folder {path}; --dataset takes a folder of parquet files or of images")
    require_files(found)
    if not any(entry.is_file() for entry in found.rglob("*")):
        raise InputError(f"the folder {path} holds no files; put parquet files or a folder of images per class there")
    return found.resolve()


def fingerprint(path: str) -> str:
    """16 hex digits of a hash over every file's name and content; hidden files are left out."""
    root, digest = folder(path), hashlib.sha256()
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            digest.update(os.fsencode(f"{name.as_posix()}\0{sha256(file)}\n"))
    return digest.hexdigest()[:16]


def require_all_read(path: str, taken: Mapping[str, Collection[str]], endings: Collection[str]) -> None:
    """Raises InputError for the first picture in a folder that no split takes, or that two of them take.

    `taken` holds each split's files. Pictures that the system left there (`._x.png`, `.ipynb_checkpoints`) are none.
    """
    root = folder(path)
    splits: dict[str, str] = {}
    for split, files in taken.items():
        for file in files:
            if splits.setdefault(file, split) != split:
                shown = printable(os.path.relpath(file, root))
                raise InputError(f"{shown} of {path} stands in both {splits[file]} and {split}; rename its folders")
    for picture in _pictures(root, endings):
        if str(picture) not in splits:
            name = picture.relative_to(root)
            raise InputError(f"{printable(name.as_posix())} of {path} would be left out: {_why(root, name, taken)}")


def printable(text: str) -> str:
    """The text on one line: line breaks and other characters that cannot be shown as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _pictures(root: Path, endings: Collection[str]) -> Iterator[Path]:
    """Every file with one of these endings, by name, behind links too; what the system keeps is passed over."""
    seen = set()
    for at, folders, files in os.walk(root, followlinks=True):
        if (real := os.path.realpath(at)) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_system(name))
        yield from (
            Path(at, name) for name in sorted(files) if Path(name).suffix.lower() in endings and not _is_system(name)
        )


def _is_system(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _SYSTEM)


def _why(root: Path, name: Path, splits: Collection[str]) -> str:
    """Why `datasets` takes no notice of a picture, and what mends it."""
    for part in name.parts:
        if part.startswith(".") or (part.startswith("__") and part != name.name):
            return f"names that begin with . or __ are hidden; rename {printable(part)}"
        if not part.isprintable():
            return f"its name has characters that cannot be shown; rename {printable(part)}"
    if not (root / name).exists():
        return "it is a link that leads nowhere; remove it"
    if link := next((parent for parent in [*name.parents][-2::-1] if (root / parent).is_symlink()), None):
        return f"links to folders are not followed; put the folder itself in place of {printable(str(link))}"
    return f"it is in none of the splits ({', '.join(splits)}); move it into the folder of one, or elsewhere"
