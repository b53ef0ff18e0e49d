"""Datasets in local files: their folder, and a fingerprint of their contents."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ...errors import InputError
from ...system.durable import sha256
from ...system.walk import require_files


def folder(path: str) -> Path:
    """Return the folder at a path. Raise InputError if it does not exist or is empty."""
    found = Path(path).expanduser()
    if not found.is_dir():
        raise InputError(f"the folder {path} does not exist. Give --dataset a folder of parquet files or of images")
    require_files(found)
    if not any(entry.is_file() for entry in found.rglob("*")):
        raise InputError(
            f"the folder {path} contains no files. Put parquet files, or a folder of images per class, there"
        )
    return found.resolve()


def digest(root: Path, names: Iterable[str]) -> str:
    """Return 16 hex digits of a hash over the names and the contents of these files below a folder."""
    found = hashlib.sha256()
    for name in sorted(names, key=lambda name: name.split("/")):
        found.update(os.fsencode(f"{name}\0{sha256(root / name)}\n"))
    return found.hexdigest()[:16]


def of_all(path: str) -> str:
    """Return the same hash over all files of a folder except hidden ones.

    Revision 1 of the layout named a dataset by it.
    """
    root = folder(path)
    names = [file.relative_to(root) for file in sorted(root.rglob("*")) if file.is_file()]
    return digest(root, [name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)])
