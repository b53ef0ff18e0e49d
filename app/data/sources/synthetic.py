"""The folder of a synthetic set, either new or with a part of the same set, which is then completed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...system import durable
from ...tables.synthetic import MANIFEST, PatternRecipe

_NOTES = {
    "nested_cylinder": "the fields are synthetic: drawn, not computed by hydrodynamics",
    "diffraction": "the patterns are synthetic: simulated from random structures, not measured",
}


def begin(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest into an empty or new folder. Raise InputError if the folder has other contents."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file. Give --out a folder")
    if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        _require_same(folder, manifest)
        return
    durable.write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """Return a synthetic set's manifest, or None if there is none. Raise InputError if it is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        held = json.loads(durable.text(path))
    except (OSError, ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise InputError(f"{path} does not describe a synthetic set. Rebuild the set in another folder")
    return held


def notes(folder: Path) -> tuple[str, ...]:
    """Return the notes on every figure and card of a run on a synthetic set, or nothing for other sets."""
    held = manifest_of(folder)
    said = _NOTES.get(str(held.get("dataset"))) if held else None
    return (said,) if said else ()


def pattern_recipe(folder: Path) -> PatternRecipe | None:
    """Return the recipe of a folder's patterns, or None if they are not synthetic.

    Raises InputError for a damaged manifest.
    """
    held = manifest_of(folder)
    if held is None or held.get("dataset") != "diffraction":
        return None
    try:
        return PatternRecipe.of_json(held)
    except InputError as error:
        raise InputError(
            f"{folder / MANIFEST} is not a recipe of patterns: {error}. Rebuild the set in another folder"
        ) from error


def _require_same(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise InputError unless the folder's manifest is the same, naming the first entry that differs."""
    there = manifest_of(folder)
    if there is None:
        raise InputError(f"{folder} is not empty and contains no synthetic set. Give --out a new folder")
    for name in (*manifest, *there):
        if there.get(name) != manifest.get(name):
            there_is, asked = _short(there.get(name)), _short(manifest.get(name))
            raise InputError(
                f"{folder} contains another synthetic set, whose {name} is {there_is} and not {asked}. Give --out a "
                "new folder"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
