"""Powder patterns: `.pt` files of {'X', 'Y'}, one per split or one in all, read without executing anything."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...system.durable import sha256
from ...system.printable import printable
from ...tables.reading import SignalReading
from ...tables.symmetry import NIST_LENGTHS, NIST_START, NIST_STEP
from ...tables.synthetic import PatternRecipe
from . import symmetry, synthetic, tensors, words
from .layout import Layout
from .source import Array, Ask, Example, Revised, Source

_SPLIT_OF = {"train": "train", "validation": "val", "valid": "val", "val": "val", "test": "test"}
_NAMED = {"bravais": ("spacegroup",), "space_group": ("bravais",)}  # words in the names of the other target's files
_ALREADY = 0.99  # of the background: a file whose minimum is that high includes it


@dataclass(frozen=True)
class _Found:
    splits: Mapping[str, list[Path]]
    mapping: Path | None
    recipe: PatternRecipe | None  # of a synthetic set
    notes: tuple[str, ...]
    revision: int = 1  # of the layout: 2 if revision 1 found other splits

    @property
    def files(self) -> list[Path]:
        return [file for files in self.splits.values() for file in files]


def find(ask: Ask) -> _Found:
    """Return the files of a folder, of a path, or of several paths separated by commas, by split.

    Raises InputError if there are none.
    """
    assert ask.path and isinstance(ask.reading, SignalReading)
    every = _files(ask.path)
    other = [file for file in every if any(name in _plain(file) for name in _NAMED[ask.reading.target])]
    files = [file for file in every if file not in other]
    notes = list(synthetic.notes(files[0].parent)) if files else []
    if other:
        notes.append(f"not read for --target {ask.reading.target}: {', '.join(file.name for file in other)}")
    if not files:
        what = f"no patterns labelled by {ask.reading.target}" if other else "no .pt files of patterns"
        option = "--on" if ask.reading.whole else "--data"
        raise InputError(
            f"{ask.path} contains {what}. Give {option} a folder of .pt files, or such files between commas"
        )
    mapping, recipe = symmetry.mapping_beside(files), synthetic.pattern_recipe(files[0].parent)
    if ask.reading.whole:
        return _Found({"test": files}, mapping, recipe, tuple(notes))
    named, revision = _named(files)
    splits: dict[str, list[Path]] = {}
    for file, split in named.items():
        if split or not any(named.values()):
            splits.setdefault(split or "train", []).append(file)
    if ask.carve_test and splits.pop("test", []):
        notes.append("the file of test patterns is not read: test is held out from train's")
    if "train" not in splits:
        raise InputError(
            f"{ask.path} contains {', '.join(file.name for file in files)} and no *_Train.pt. Add one, or rename a "
            "file so"
        )
    if left := [file.name for file, split in named.items() if not split and any(named.values())]:
        notes.append(f"not read next to the files of splits: {', '.join(left)}")
    return _Found(splits, mapping, recipe, tuple(notes), revision)


def _named(files: list[Path]) -> tuple[dict[Path, str | None], int]:
    """Return the split in each file's name, and the revision of the layout that finds these splits.

    Revision 1 knew only the last part of a name, such as `X_Train.pt`, and not `trainset.pt`.
    """
    first = {file: _SPLIT_OF.get(file.stem.rpartition("_")[2].lower()) for file in files}
    found = {file: first[file] or words.split_of(file.stem) for file in files}
    if "train" not in found.values() and not any(first.values()):
        return first, 1
    alone = len(files) == 1 and not any(first.values())  # all rows are train in both revisions
    return found, 1 if found == first or alone else 2


def _files(path: str) -> list[Path]:
    whole = Path(path).expanduser()
    parts = [whole] if whole.exists() else [Path(part.strip()).expanduser() for part in path.split(",")]
    found = []
    for part in parts:
        if not part.exists():
            raise InputError(f"the file or folder {part} does not exist. Name a folder of .pt files, or such files")
        found += [file.resolve() for file in tensors.pattern_files(part)]
    if len(set(found)) < len(found):
        raise InputError(f"{path} names a file twice. Name each file once")
    return found


def _plain(file: Path) -> str:
    return "".join(letter for letter in file.name.lower() if letter.isalnum())


def fingerprint(ask: Ask) -> str:
    """Return 16 hex digits of a hash over the names and the contents of the files and of their mapping."""
    found, digest = find(ask), hashlib.sha256()
    for file in [*found.files, *([found.mapping] if found.mapping else [])]:
        digest.update(os.fsencode(f"{file.name}\0{sha256(file)}\n"))
    if found.recipe:
        digest.update(f"{found.recipe.class_names()} {_grid_of(found.recipe)}\n".encode())
    return digest.hexdigest()[:16]


def shape(ask: Ask) -> tuple[int, int]:
    """Return the shape of the model's inputs, (1, L), from the first file.

    Raises InputError if the file or the range cannot be used.
    """
    assert isinstance(ask.reading, SignalReading)
    found = find(ask)
    file = found.files[0]
    patterns, _ = tensors.read(file, mapped=True)
    first, last = _span(patterns.shape[1], ask.reading, file, found.recipe)
    return 1, last - first


def class_names(ask: Ask) -> tuple[str, ...]:
    """Return the names of the classes that labels stand for."""
    assert isinstance(ask.reading, SignalReading)
    found = find(ask)
    return symmetry.class_names(ask.reading.target, found.mapping, found.recipe)


def open_signals(ask: Ask) -> Source:
    """Return the patterns as rows (1, L) with their class indices.

    Raises InputError for files that cannot be used.
    """
    reading, found = ask.reading, find(ask)
    assert isinstance(reading, SignalReading)
    if ask.layout < found.revision:
        raise Revised(f"the files of {ask.path} are divided into splits by other rules than in earlier versions")
    size, names = shape(ask), class_names(ask)
    counts = {}
    for split, files in found.splits.items():
        counts[split] = sum(_counted(file, size, reading, len(names), found.recipe) for file in files)

    def examples(split: str) -> Iterator[Example]:
        for file in found.splits[split]:
            yield from _examples(file, reading, len(names), found.recipe)

    def outline(split: str) -> Iterator[Example]:
        for file in found.splits[split]:
            yield from (Example(b"", int(label), None) for label in tensors.read(file, mapped=True)[1])

    def decode(example: Example) -> np.ndarray:
        assert isinstance(example.image, np.ndarray)
        with np.errstate(over="ignore"):
            pattern = example.image.astype(reading.stored_dtype)
        if not np.isfinite(pattern).all():
            raise InputError("it contains numbers that are not finite. Fix or remove it")
        return pattern[None]  # (1, L)

    return Source(
        version=fingerprint(ask), rows=counts, class_names=names, examples=examples, notes=found.notes,
        array=Array(reading.stored_dtype, size, decode, []), outline=outline,
        layout=lambda: Layout(places={split: _shown(files) for split, files in found.splits.items()}),
    )  # fmt: skip


def _shown(files: list[Path]) -> str:
    more = f" and {len(files) - 3:,} more" if len(files) > 3 else ""
    return f"{', '.join(printable(file.name) for file in files[:3])}{more}"


def revision(ask: Ask) -> int:
    """Return the revision of the layout that divides the files into splits."""
    return find(ask).revision


def _counted(
    file: Path, size: tuple[int, int], reading: SignalReading, classes: int, recipe: PatternRecipe | None
) -> int:
    """Return the number of patterns in a file.

    Raises InputError if they have another length, or a label outside the classes.
    """
    patterns, labels = tensors.read(file, mapped=True)
    first, last = _span(patterns.shape[1], reading, file, recipe)
    if last - first != size[1]:
        raise InputError(
            f"{printable(file.name)} has patterns of {last - first:,} points, but other files have {size[1]:,}. Give "
            "files of one length"
        )
    strange = labels[(labels < 0) | (labels >= classes)]
    if len(strange):
        raise InputError(
            f"{printable(file.name)} has the label {strange[0]}, but {reading.target} has {classes} classes from 0 on. "
            "Fix the labels, or use another --target"
        )
    return len(labels)


def _examples(file: Path, reading: SignalReading, classes: int, recipe: PatternRecipe | None) -> Iterator[Example]:
    patterns, labels = tensors.read(file)
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):  # the file has changed since it was opened
        raise InputError(
            f"{printable(file.name)} has labels outside of {classes} classes. Fix the labels, or use another --target"
        )
    first, last = _span(patterns.shape[1], reading, file, recipe)
    add = np.float32(0 if patterns.min() >= _ALREADY * reading.background else reading.background)
    for row, (pattern, label) in enumerate(zip(patterns, labels, strict=True)):
        yield Example(pattern[first:last].astype(np.float64) + add, int(label), None, file=f"{file.name} at {row}")


def _span(length: int, reading: SignalReading, file: Path, recipe: PatternRecipe | None) -> tuple[int, int]:
    """Return the first and the last + 1 of the selected points. Raise InputError if the range exceeds the angles."""
    if reading.range is None:
        return 0, length
    grid = _grid(length, reading, recipe)
    if grid is None:
        raise InputError(
            f"{printable(file.name)} has patterns of {length:,} points, whose angles are unknown. Give the first angle "
            "and the step in degrees with --grid, such as 5.02:0.05"
        )
    (start, step), (low, high) = grid, reading.range
    first, points = round((low - start) / step), round((high - low) / step) + 1
    if first < 0 or first + points > length:
        ends = f"{start:g} to {start + step * (length - 1):g}"
        raise InputError(
            f"{printable(file.name)} has angles of {ends} degrees, not all of --range {low:g}:{high:g}. Use a --range "
            "within them"
        )
    return first, first + points


def _grid(length: int, reading: SignalReading, recipe: PatternRecipe | None) -> tuple[float, float] | None:
    """Return the first angle and the step, or None if they are unknown.

    They are the given ones, else those of a synthetic set, else NIST's.
    """
    if reading.grid:
        return reading.grid
    if recipe and recipe.points == length:
        return _grid_of(recipe)
    return (NIST_START, NIST_STEP) if length in NIST_LENGTHS else None


def _grid_of(recipe: PatternRecipe) -> tuple[float, float]:
    return recipe.start, recipe.step


def angles(ask: Ask, length: int) -> np.ndarray | None:
    """Return the angles of patterns as they are read, (length,) degrees 2-theta, or None if they are unknown."""
    reading = ask.reading
    assert isinstance(reading, SignalReading)
    if reading.range is not None:
        return np.linspace(*reading.range, length)
    try:
        recipe = find(ask).recipe
    except InputError:  # the files no longer exist, but the cache does
        recipe = None
    grid = _grid(length, reading, recipe)
    return None if grid is None else grid[0] + grid[1] * np.arange(length)
