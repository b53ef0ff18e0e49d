"""Datasets of the user's own files: where they lie, and a fingerprint of what they hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

from app.durable import sha256
from app.errors import InputError


def folder(path: str) -> Path:
    """The folder a path names; raises InputError when there is none or it is empty."""
    found = Path(path).expanduser()
    if not found.is_dir():
        raise InputError(f"there is no folder {path}; --dataset takes a folder of parquet files or of images")
    if not any(entry.is_file() for entry in found.rglob("*")):
        raise InputError(f"the folder {path} holds no files; put parquet files or a folder of images per class there")
    return found.resolve()


def fingerprint(path: str) -> str:
    """16 hex digits of a hash over every file's name and content; hidden files are left out."""
    root, digest = folder(path), hashlib.sha256()
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            digest.update(f"{name.as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()[:16]
