"""The names of crystal symmetries for labels: 14 Bravais lattices, 230 space groups, or those of a mapping."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...system import durable
from ...tables.symmetry import BRAVAIS, SPACE_GROUPS
from ...tables.synthetic import PatternRecipe
from . import tensors

MAPPINGS = ("mapping.pt", "mapping.json")  # next to the files: the names of their labels
_TITLES = {"bravais": "Bravais Lattice", "space_group": "Space Group"}


def mapping_beside(files: Sequence[Path]) -> Path | None:
    """Return the mapping in the folder of the first file, or None."""
    there = (files[0].parent / name for name in MAPPINGS)
    return next((path for path in there if path.is_file()), None)


def class_names(target: str, mapping: Path | None, recipe: PatternRecipe | None) -> tuple[str, ...]:
    """Return the names of labels 0, 1, ...

    They are a mapping's, else a synthetic set's, else those of all 14 or 230 classes. Raises InputError for a mapping
    that is damaged or does not number its names from 0, and for a synthetic set that is labelled by another target.
    """
    if recipe and recipe.target != target:
        raise InputError(f"the synthetic patterns are labelled by {recipe.target}. Use --target {recipe.target}")
    names = _mapped(mapping, _TITLES[target]) if mapping else None
    if names is None:
        return tuple(recipe.class_names()) if recipe else BRAVAIS if target == "bravais" else SPACE_GROUPS
    if len(set(names)) < len(names) or (target == "space_group" and not set(names) <= set(SPACE_GROUPS)):
        raise InputError(
            f"{mapping} gives {_TITLES[target]} unknown names, or one name twice. Use each known name once"
        )
    return names


def _mapped(path: Path, title: str) -> tuple[str, ...] | None:
    """Return a mapping's names in the order of their labels, or None if it has none for these classes."""
    held = _read(path)
    if not isinstance(held, Mapping):
        raise InputError(f"{path} is not a mapping of labels to names. Write it as in {{'{title}': {{0: ...}}}}")
    if title not in held:
        return None
    table = held[title]
    try:
        by_label = {int(label): str(name) for label, name in table.items()}
    except (AttributeError, TypeError, ValueError):
        by_label = {}
    if len(by_label) < 2 or sorted(by_label) != list(range(len(by_label))):
        raise InputError(f"{path} does not number the names of its {title} from 0 upwards. Use 0, 1, 2 and so on")
    return tuple(by_label[label] for label in range(len(by_label)))


def _read(path: Path) -> Any:
    """Return the contents of a mapping. Nothing in it is executed."""
    if path.suffix == ".pt":
        return tensors.load(path)
    try:
        return json.loads(durable.text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"the mapping {path} cannot be read ({type(error).__name__}). Give another file") from error
