"""The recipe of a synthetic set, which is checked when it is made and written next to the set's files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from .ranges import MOST, check_known, check_not_negative, check_positive
from .symmetry import BRAVAIS, COMMON_SPACE_GROUPS, NIST_START, NIST_STEP, SPACE_GROUPS, SYMMETRIES

MANIFEST = "synthetic.json"  # next to the files of a set: its recipe, and that it is synthetic
FIRST_INDEX, LAST_INDEX, USUAL_INDEX = 105, 125, 112  # of the nested cylinder's published times
DESIGN_FILE = "nestedcyl_design_file.csv"
SPLITS = ("Train", "Validation", "Test")

RADIATIONS = ("xray", "neutron")


@dataclass(frozen=True)
class FieldRecipe:
    """Nested cylinders: `simulations` of them, at `frames` times each. `design` is the sha256 of a design file."""

    simulations: int
    frames: int = 1
    seed: int = 0
    design: str | None = None

    def __post_init__(self) -> None:
        check_positive(9999, simulations=self.simulations)  # an id has four digits
        check_positive(LAST_INDEX - FIRST_INDEX + 1, frames=self.frames)
        check_not_negative(MOST, seed=self.seed)

    @property
    def indices(self) -> tuple[int, ...]:
        """The indices of the times: only the usual one, or evenly from the first to the last."""
        if self.frames == 1:
            return (USUAL_INDEX,)
        between = (LAST_INDEX - FIRST_INDEX) / (self.frames - 1)
        return tuple(round(FIRST_INDEX + between * i) for i in range(self.frames))

    def to_json(self) -> dict[str, Any]:
        """Return the content of the manifest."""
        return {"synthetic": True, "dataset": "nested_cylinder", **dataclasses.asdict(self)}


@dataclass(frozen=True)
class PatternRecipe:
    """Powder patterns: `patterns` of each class. Angles are 2-theta in degrees, the wavelength in angstrom."""

    target: str
    patterns: int
    classes: int | None = None  # of space groups: 230 or 144
    seed: int = 0
    tag: str = "Synthetic"
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    radiation: str = "xray"
    wavelength: float = 1.5406  # copper K-alpha 1
    kalpha2: float = 0.0  # its intensity over K-alpha 1's
    start: float = NIST_START
    step: float = NIST_STEP
    points: int = 3042
    fwhm_min: float = 0.05
    fwhm_max: float = 0.4
    texture: float = 1.0  # the lowest March coefficient drawn; 1 is none
    background: float = 0.0  # the highest background drawn, over the highest line
    counts: float = 0.0  # the lowest count of the highest point, up to 100,000; 0 is no noise
    zero_shift: float = 0.0  # the largest shift drawn

    def __post_init__(self) -> None:
        check_known("target", self.target, SYMMETRIES)
        check_known("radiation", self.radiation, RADIATIONS)
        check_positive(10**6, patterns=self.patterns)
        check_positive(20, wavelength=self.wavelength, fwhm_max=self.fwhm_max, step=self.step)
        check_positive(10**5, points=self.points)
        check_not_negative(MOST, seed=self.seed)
        check_not_negative(1, kalpha2=self.kalpha2, background=self.background, zero_shift=self.zero_shift)
        check_not_negative(10**5, counts=self.counts)
        self._check_classes()
        self._check_together()

    def _check_classes(self) -> None:
        if self.target == "bravais" and self.classes not in (None, len(BRAVAIS)):
            raise InputError(
                f"--classes {self.classes} has no effect with --target bravais, which always has 14 classes. Omit it"
            )
        if self.target == "space_group" and self.classes not in (None, len(SPACE_GROUPS), len(COMMON_SPACE_GROUPS)):
            raise InputError(f"--classes {self.classes} is unavailable for space groups. Use 230 or 144")
        if not self.tag or "/" in self.tag or self.tag.startswith("."):
            raise InputError(f"--tag {self.tag!r} cannot begin a file name. Use letters and digits")

    def _check_together(self) -> None:
        end = self.start + self.step * (self.points - 1)
        if not 0 < self.start < end <= 170:
            raise InputError(
                f"2-theta from {self.start:g} to {end:g} degrees is out of range. Angles from 0 to 170 are allowed. "
                "Change --start, --step or --points"
            )
        if not 0.01 <= self.fwhm_min <= self.fwhm_max <= 5:
            raise InputError(
                f"widths from {self.fwhm_min:g} to {self.fwhm_max:g} degrees are out of range. They must rise and be "
                "from 0.01 to 5. Change --fwhm-min or --fwhm-max"
            )
        if not 0.1 <= self.texture <= 1:
            raise InputError(
                f"--texture {self.texture:g} is out of range. Use a number from 0.1 to 1, where 1 is no texture"
            )
        if not 0 <= self.val_fraction + self.test_fraction < 1 or min(self.val_fraction, self.test_fraction) < 0:
            raise InputError(
                f"shares of {self.val_fraction:g} for validation and {self.test_fraction:g} for test leave no rows "
                "for training. Their sum must be below 1. Lower one of them"
            )
        if self.kalpha2 and (self.radiation, self.wavelength) != ("xray", 1.5406):
            raise InputError(
                "--kalpha2 is the second line of copper, but another radiation or wavelength is given. Omit "
                "--kalpha2, or --radiation and --wavelength"
            )

    def class_names(self) -> list[str]:
        """Return the classes in the order of their indices: Bravais lattices, or the numbers of space groups."""
        if self.target == "bravais":
            return list(BRAVAIS)
        return list(SPACE_GROUPS) if self.classes != len(COMMON_SPACE_GROUPS) else list(map(str, COMMON_SPACE_GROUPS))

    def shares(self) -> tuple[int, int, int]:
        """Return how many of a class's patterns are for train, validation and test."""
        val, test = round(self.patterns * self.val_fraction), round(self.patterns * self.test_fraction)
        return self.patterns - val - test, val, test

    def to_json(self) -> dict[str, Any]:
        """Return the content of the manifest."""
        facts = {"synthetic": True, "dataset": "diffraction", **dataclasses.asdict(self)}
        return {**facts, "classes": len(self.class_names()), "class_names": self.class_names()}

    @classmethod
    def of_json(cls, held: Mapping[str, Any]) -> PatternRecipe:
        """Return the recipe in a manifest. Raises InputError if a part is missing or invalid."""
        try:
            return cls(**{field.name: held[field.name] for field in dataclasses.fields(cls)})
        except KeyError as error:
            raise InputError(f"it lacks {error.args[0]}") from error
        except (TypeError, AttributeError) as error:
            raise InputError("it has values that are neither numbers nor names") from error
