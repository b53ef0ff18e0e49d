"""Crystals and their lines: absences come out by themselves, labels can be decided, rock salt is rock salt."""

import gemmi
import numpy as np
import pytest

from app.synthetic.crystal import Crystal, Site, bravais, draw, groups_of, has_more_symmetry, lattice_rotations, orbit
from app.synthetic.lines import Texture, lines, structure_factors
from app.tables.symmetry import BRAVAIS

ALLOWED = {  # by centring, of h, k and l (International Tables A, table 2.1.3.1)
    "F": lambda h, k, m: (h % 2 == k % 2) & (k % 2 == m % 2),
    "I": lambda h, k, m: (h + k + m) % 2 == 0,
    "C": lambda h, k, m: (h + k) % 2 == 0,
    "R": lambda h, k, m: (-h + k + m) % 3 == 0,
}


def reflections(most=3):
    """All of -most..most in h, k and l but the origin: (n, 3)."""
    axis = np.arange(-most, most + 1)
    hkl = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    return hkl[(hkl != 0).any(1)]


def rock_salt():
    empty = Crystal(225, (5.6402, 5.6402, 5.6402, 90.0, 90.0, 90.0), ())
    sites = (Site(11, orbit(empty, np.zeros(3)), 1.6), Site(17, orbit(empty, np.full(3, 0.5)), 1.4))
    return Crystal(225, empty.cell, sites)


@pytest.mark.parametrize(("number", "centring"), [(216, "F"), (69, "F"), (229, "I"), (72, "I"), (15, "C"), (64, "C"),
                                                  (148, "R"), (160, "R")])  # fmt: skip
def test_a_centred_lattice_extinguishes_what_its_centring_says_and_no_more(number, centring):
    crystal, hkl = draw(np.random.default_rng(number), number, decide="bravais"), reflections()
    size = np.abs(structure_factors(crystal, hkl))
    allowed = ALLOWED[centring](*hkl.T)
    assert size[~allowed].max() < 1e-9 * size.max()
    primitive = {tuple(h) for h in hkl[size > 1e-6 * size.max()]}
    assert np.linalg.matrix_rank(np.array(list(primitive))) == 3
    assert any(not ALLOWED[other](*np.array(list(primitive)).T).all() for other in "FIC" if other != centring)


@pytest.mark.parametrize("number", [14, 19, 62, 96, 167, 198, 227])
def test_screws_and_glides_extinguish_by_themselves(number):
    crystal, hkl = draw(np.random.default_rng(1), number, decide="space_group"), reflections()
    absent = crystal.group.operations().systematic_absences(hkl)
    size = np.abs(structure_factors(crystal, hkl))
    assert absent.any()
    assert size[absent].max() < 1e-9 * size.max()


def test_the_space_groups_fall_into_the_fourteen_lattices_as_they_are_counted():
    counts = [len(groups_of(lattice)) for lattice in BRAVAIS]
    assert counts == [11, 10, 15, 45, 5, 8, 15, 5, 9, 30, 7, 19, 49, 2]  # IT A, table 2.1.1.1; trigonal P is hexagonal
    assert (bravais(38), bravais(166), bravais(152)) == ("orthorhombic (C)", "rhombohedral (P)", "hexagonal (P)")


def test_rock_salts_lines_stand_where_they_are_measured_and_as_strong():
    where, intensity = lines(rock_salt(), wavelength=1.5406, low=10, high=85)
    order = np.argsort(where)
    measured = {27.33: 13, 31.69: 100, 45.45: 55, 53.85: 2, 56.48: 15, 66.22: 6, 73.06: 1, 75.28: 11, 83.98: 7}
    np.testing.assert_allclose(where[order], list(measured), atol=0.04)  # card 5-628, Swanson and Fuyat (1953)
    np.testing.assert_allclose(100 * intensity[order] / intensity.max(), list(measured.values()), atol=6.5)


def test_all_equivalents_one_by_one_add_up_to_a_lines_multiplicity():
    crystal = draw(np.random.default_rng(5), 136, decide="bravais")
    every = gemmi.make_miller_array(crystal.unit_cell, crystal.group, 1.2, 0, unique=False)
    theta = np.arcsin(1.5406 / 2 / crystal.unit_cell.calculate_d_array(every))
    lp = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    total = (np.abs(structure_factors(crystal, every)) ** 2 * lp).sum()
    angle = 2 * np.degrees(np.arcsin(1.5406 / 2 / 1.2))
    assert lines(crystal, wavelength=1.5406, low=0.5, high=angle)[1].sum() == pytest.approx(total, rel=1e-6)


def test_plates_that_lie_flat_strengthen_the_face_that_they_lie_on():
    crystal = draw(np.random.default_rng(0), 123, decide="bravais")
    _, plain = lines(crystal, wavelength=1.5406, low=3, high=60)
    _, lying = lines(crystal, wavelength=1.5406, low=3, high=60, texture=Texture(0.6, (0, 0, 1)))
    hkl = gemmi.make_miller_array(crystal.unit_cell, crystal.group, 1.5406 / 2 / np.sin(np.radians(30)), unique=True)
    face = (hkl[:, :2] == 0).all(1)
    np.testing.assert_allclose(lying[face] / plain[face], 0.6**-3)
    assert (lying[hkl[:, 2] == 0] < plain[hkl[:, 2] == 0] + 1e-12).all()


@pytest.mark.parametrize(("cell", "centring", "rotations"), [
    ((5, 5.08, 7, 90, 90, 90), "P", 8), ((5, 6, 7, 90, 90.9, 90), "P", 4), ((5, 5, 5 * 6**0.5, 90, 90, 120), "R", 24),
    ((5, 5 * 3**0.5, 8, 90, 90, 90), "C", 12), ((5, 5, 7.07, 90, 90, 90), "I", 24), ((5, 6, 7, 90, 100, 90), "P", 2),
])  # fmt: skip
def test_a_lattice_near_to_more_symmetry_counts_as_having_it(cell, centring, rotations):
    assert lattice_rotations(cell, centring) == rotations


def test_atoms_with_a_translation_more_than_the_lattice_are_found_out():
    empty = Crystal(221, (4.1, 4.1, 4.1, 90.0, 90.0, 90.0), ())
    corner, middle = orbit(empty, np.zeros(3)), orbit(empty, np.full(3, 0.5))

    def of(a, b):
        return Crystal(221, empty.cell, (Site(a, corner, 1.0), Site(b, middle, 1.0)))

    assert not has_more_symmetry(of(55, 17), translations_only=True)  # caesium chloride is primitive
    assert has_more_symmetry(of(26, 26), translations_only=True)  # iron is centred
    assert has_more_symmetry(of(29, 30), translations_only=True)  # brass looks it to X-rays


def test_a_pair_of_atoms_without_symmetry_has_an_inversion_all_the_same():
    one = Crystal(1, (5.0, 6.0, 7.0, 80.0, 95.0, 100.0), (Site(8, np.array([[0.1, 0.2, 0.3], [0.4, 0.7, 0.6]]), 1.0),))
    pair = Crystal(1, one.cell, (Site(8, one.sites[0].positions[:1], 1.0), Site(8, one.sites[0].positions[1:], 1.0)))
    assert has_more_symmetry(pair, translations_only=False)
    assert not has_more_symmetry(pair, translations_only=True)
