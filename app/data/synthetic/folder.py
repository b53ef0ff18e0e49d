"""The folder of a synthetic set: new, or one that holds a part of the same set, which is then gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app import durable
from app.errors import InputError
from app.recipes import MANIFEST


def begin(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the manifest into an empty or new folder; raises InputError where something else is there."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out takes a folder")
    if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        _require_same(folder, manifest)
        return
    durable.write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def _require_same(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raises InputError unless the folder's manifest says the same, naming the first thing that differs."""
    try:
        there = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        there = None
    if not isinstance(there, dict):
        raise InputError(f"{folder} is not empty, and holds no synthetic set; give --out a new folder")
    for name in (*manifest, *there):
        if there.get(name) != manifest.get(name):
            there_is, asked = _short(there.get(name)), _short(manifest.get(name))
            raise InputError(
                f"{folder} holds another synthetic set, its {name} {there_is} and not {asked}; give --out a new folder"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
