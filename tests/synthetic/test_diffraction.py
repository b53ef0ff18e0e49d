"""Sets of powder patterns: their files, their repeatability, and what noise and background do."""

import json

import numpy as np
import pytest
import torch

from app.synthetic import diffraction
from app.synthetic.pattern import Shape, broadened, pattern
from app.tables.symmetry import COMMON_SPACE_GROUPS
from app.tables.synthetic import PatternRecipe

SHORT = {"points": 400, "step": 0.2}


def test_the_files_are_as_the_published_ones_and_say_what_they_are(tmp_path):
    recipe = PatternRecipe(target="bravais", patterns=3, val_fraction=0.34, test_fraction=0.34, tag="T", **SHORT)
    assert diffraction.make(recipe, tmp_path, progress=lambda done, of: None) == 0
    for split in ("Train", "Validation", "Test"):
        found = torch.load(tmp_path / f"T_{split}.pt", weights_only=True)
        assert found["X"].shape == (14, 1, 400) and found["X"].dtype == torch.float32
        assert found["Y"].tolist() == list(range(14))
        assert (found["X"].amin(-1) == np.float32(0.001)).all() and found["X"].amax(-1).allclose(torch.tensor(1.001))
    said = json.loads((tmp_path / "synthetic.json").read_text())
    assert said["synthetic"] is True and said["class_names"][10] == "rhombohedral (P)" and said["wavelength"] == 1.5406
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "T_Test.pt").unlink()
    assert diffraction.make(recipe, tmp_path, progress=lambda done, of: None) == 2
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_pattern_depends_on_seed_class_and_number_alone():
    few, many = (PatternRecipe(target="bravais", patterns=n, **SHORT) for n in (2, 50))
    assert (diffraction.simulate(few, 9, 1) == diffraction.simulate(many, 9, 1)).all()
    other = PatternRecipe(target="bravais", patterns=2, seed=1, **SHORT)
    assert (diffraction.simulate(few, 9, 1) != diffraction.simulate(other, 9, 1)).any()


@pytest.mark.parametrize("more", [{"background": 0.1}, {"counts": 1e3}, {"texture": 0.6}, {"zero_shift": 0.05},
                                  {"kalpha2": 0.5}, {"radiation": "neutron"}, {"wavelength": 0.7093}])  # fmt: skip
def test_each_option_changes_the_pattern_and_keeps_its_range(more):
    plain, changed = (PatternRecipe(target="space_group", patterns=1, classes=144, **extra) for extra in ({}, more))
    a, b = (diffraction.simulate(recipe, 50, 0) for recipe in (plain, changed))
    assert np.abs(a - b).max() > 1e-3
    assert b.min() == pytest.approx(0.001) and b.max() == pytest.approx(1.001)


def test_a_peaks_shape_is_the_pseudo_voigt_of_its_width():
    recipe = PatternRecipe(target="bravais", patterns=1, fwhm_min=0.2, fwhm_max=0.2)
    shape = Shape(u=0, v=0, w=0.04, eta=0.3, narrowest=0.2, widest=0.2)
    curve = broadened(np.array([40.0]), np.array([1.0]), shape, recipe)
    x = 2 * (3 + 0.05 * np.arange(3042) - 40) / 0.2
    wanted = 0.7 * np.sqrt(np.log(2) / np.pi) * np.exp2(-(x**2)) / 0.1 + 0.3 / np.pi / (1 + x**2) / 0.1
    np.testing.assert_allclose(curve, wanted, atol=0.01 * wanted.max())
    assert curve.sum() * 0.05 == pytest.approx(1, abs=0.01)


def test_noise_is_that_of_counting():
    recipe = PatternRecipe(target="bravais", patterns=1, counts=1e5, background=0.1)
    curves = [pattern(np.array([40.0]), np.array([1.0]), np.random.default_rng(i), recipe) for i in range(2)]
    step = np.diff(curves[0][1500:])
    assert 1e-4 < step.std() < 5e-3 and (curves[0] != curves[1]).any()


def test_the_144_classes_are_the_published_ones():
    assert len(COMMON_SPACE_GROUPS) == 144 and len(set(COMMON_SPACE_GROUPS)) == 144
    assert (COMMON_SPACE_GROUPS[0], COMMON_SPACE_GROUPS[73], COMMON_SPACE_GROUPS[143]) == (1, 127, 230)
    assert PatternRecipe(target="space_group", patterns=1).class_names()[224] == "225"
