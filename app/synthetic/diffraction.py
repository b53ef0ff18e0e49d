"""Simulated powder patterns in the file format of measured and published ones: {'X', 'Y'} tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..data.sources import synthetic as folder
from ..data.sources import tensors
from ..system import durable
from ..tables.synthetic import SPLITS, PatternRecipe
from .crystal import Crystal, draw, groups_of
from .lines import Texture, lines
from .pattern import pattern, reach

Progress = Callable[[int, int], None]  # (patterns done, patterns in all)


def make(recipe: PatternRecipe, out: Path, *, progress: Progress) -> int:
    """Write `{tag}_Train.pt`, `{tag}_Validation.pt`, `{tag}_Test.pt`. Return how many existed already.

    The first patterns of each class are for training, the next for validation, the last for the test. Raises InputError
    for a folder that contains other files, or a disk without space.
    """
    folder.begin(out, recipe.to_json())
    classes, shares = len(recipe.class_names()), recipe.shares()
    of, first, found = classes * recipe.patterns, 0, 0
    for split, share in zip(SPLITS, shares, strict=True):
        path, before = out / f"{recipe.tag}_{split}.pt", first * classes
        if share and path.exists():
            found += 1
        elif share:
            for row in _written(path, recipe, range(first, first + share)):
                progress(before + row, of)
        first += share
        progress(first * classes, of)
    return found


def _written(path: Path, recipe: PatternRecipe, numbers: range) -> Iterator[int]:
    """Write one file with the classes in turn. Yield each row's number when it is made."""
    classes = len(recipe.class_names())
    rows = len(numbers) * classes
    durable.require_space(path.parent, 4 * rows * recipe.points, path.name)
    patterns, labels = np.empty((rows, recipe.points), np.float32), np.empty(rows, np.int64)
    for row, (label, values) in enumerate(_patterns(recipe, numbers, classes)):
        patterns[row], labels[row] = values, label
        yield row
    tensors.write(path, patterns, labels)


def _patterns(recipe: PatternRecipe, numbers: range, classes: int) -> Iterator[tuple[int, np.ndarray]]:
    for number in numbers:
        for label in range(classes):
            yield label, simulate(recipe, label, number)


def simulate(recipe: PatternRecipe, label: int, number: int) -> np.ndarray:
    """Return the pattern of that number in a class, float32 (points,).

    Its random draws depend only on the recipe's seed, the class and the number. A crystal without lines in the range,
    or without a prominent line, is drawn again.
    """
    generator = np.random.default_rng(np.random.SeedSequence((recipe.seed, label, number)))
    low, high = reach(recipe)
    while True:
        crystal = _crystal(generator, recipe, label)
        texture = Texture.draw(generator, recipe.texture) if recipe.texture < 1 else None
        where, intensity = lines(
            crystal, wavelength=recipe.wavelength, low=low, high=high, radiation=recipe.radiation, texture=texture
        )
        inside = (where > recipe.start) & (where < recipe.start + recipe.step * (recipe.points - 1))
        if intensity[inside].sum() > 0:
            return pattern(where, intensity, generator, recipe)


def _crystal(generator: np.random.Generator, recipe: PatternRecipe, label: int) -> Crystal:
    """Return a crystal of a class. A Bravais lattice's space groups are equally likely."""
    name = recipe.class_names()[label]
    if recipe.target == "space_group":
        return draw(generator, int(name), decide=recipe.target)
    return draw(generator, int(generator.choice(groups_of(name))), decide=recipe.target)
