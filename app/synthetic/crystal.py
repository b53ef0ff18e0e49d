"""Random crystals of a given symmetry: a space group, a cell, and atoms; not chemically real.

Space groups' operations come from gemmi (Wojdyr 2022, doi:10.21105/joss.04200). Lengths in angstrom, angles in degrees,
positions in fractions of the cell.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np

from ..tables.symmetry import BRAVAIS

_SYSTEMS = {"trigonal": "hexagonal"}  # a trigonal group of a primitive lattice has the hexagonal lattice
_ROTATIONS = {
    "triclinic": 1,
    "monoclinic": 2,
    "orthorhombic": 4,
    "tetragonal": 8,
    "rhombohedral": 6,
    "hexagonal": 12,
    "cubic": 24,
}  # of a lattice with no more symmetry than the system's
_OBLIQUITY = 1.2  # degrees within which a lattice has more symmetry; axes within 2 %, angles within 1 degree
_SHORTEST, _LONGEST = 3.5, 12.0  # axes
_ROOM, _TIGHTER = 9.0, 0.85  # least cubic angstrom per atom, and its factor at each further draw
_SITES, _ELEMENTS = 6, (3, 83)  # at most so many sites; lithium to bismuth
_NEAR = 0.1  # atoms nearer than this, in angstrom, are one
_ALIKE = 0.1  # X-rays do not distinguish elements whose numbers differ by less than this share


@dataclass(frozen=True)
class Site:
    """An atom and its positions under the group's operations, (n, 3) in [0, 1)."""

    element: int  # atomic number
    positions: np.ndarray
    displacement: float  # B in square angstrom


@dataclass(frozen=True)
class Crystal:
    """A structure in the standard setting of its space group."""

    number: int  # of the space group
    cell: tuple[float, float, float, float, float, float]  # a, b, c, alpha, beta, gamma
    sites: tuple[Site, ...]

    @property
    def group(self) -> gemmi.SpaceGroup:
        """Its space group. Rhombohedral ones are in hexagonal axes."""
        return gemmi.find_spacegroup_by_number(self.number)

    @property
    def unit_cell(self) -> gemmi.UnitCell:
        """Its cell as a gemmi object."""
        return gemmi.UnitCell(*self.cell)


def bravais(number: int) -> str:
    """Return the Bravais lattice of a space group, as named in BRAVAIS. One-face centred is C, whichever the face."""
    group = gemmi.find_spacegroup_by_number(number)
    centring = "C" if group.hm[0] == "A" else group.hm[0]
    if centring == "R":
        return "rhombohedral (P)"
    system = group.crystal_system_str()
    return f"{_SYSTEMS.get(system, system)} ({centring})"


@cache
def groups_of(lattice: str) -> tuple[int, ...]:
    """Return the numbers of the space groups with a Bravais lattice."""
    assert lattice in BRAVAIS
    return tuple(number for number in range(1, 231) if bravais(number) == lattice)


def draw(generator: np.random.Generator, number: int, *, decide: str) -> Crystal:
    """Return a random crystal of that space group whose label can be decided. `decide` is "bravais" or "space_group".

    It is drawn again while the lattice has more symmetry than its system's, or the atoms have a translation that the
    lattice lacks or, for a space group, any operation that the group lacks. If that happens often, atoms are placed
    closer together.
    """
    for attempt in itertools.count():
        crystal = Crystal(number, draw_cell(generator, number), ())
        room = crystal.unit_cell.volume / (_ROOM * max(_TIGHTER**attempt, 0.2))
        crystal = Crystal(number, crystal.cell, draw_sites(generator, crystal, room))
        if not has_more_symmetry(crystal, translations_only=decide == "bravais"):
            return crystal
    raise AssertionError("unreachable")


def draw_cell(generator: np.random.Generator, number: int) -> tuple[float, float, float, float, float, float]:
    """Return a cell that the group's system allows, and that is not close to a system of more symmetry."""
    lattice = bravais(number)
    system, centring = lattice.split()[0], gemmi.find_spacegroup_by_number(number).hm[0]
    while True:
        a, b, c = np.exp(generator.uniform(np.log(_SHORTEST), np.log(_LONGEST), 3))
        angles = generator.uniform(70, 110, 3)
        beta = generator.uniform(92, 120)
        cell = {
            "triclinic": (a, b, c, *angles),
            "monoclinic": (a, b, c, 90, beta, 90),
            "orthorhombic": (a, b, c, 90, 90, 90),
            "tetragonal": (a, a, c, 90, 90, 90),
            "rhombohedral": (a, a, c, 90, 90, 120),
            "hexagonal": (a, a, c, 90, 90, 120),
            "cubic": (a, a, a, 90, 90, 90),
        }[system]
        if lattice_rotations(cell, centring) == _ROTATIONS[system]:
            a, b, c, alpha, beta, gamma = map(float, cell)
            return a, b, c, alpha, beta, gamma


def lattice_rotations(cell: tuple[float, ...], centring: str) -> int:
    """Return how many rotations preserve the lattice, within the obliquity, or 0 for an impossible cell."""
    unit_cell = gemmi.UnitCell(*cell)
    if not unit_cell.volume > 0.3 * np.prod(cell[:3]):  # nearly flat, or no cell at all
        return 0
    return len(gemmi.find_lattice_symmetry(unit_cell, centring, _OBLIQUITY).sym_ops)


def draw_sites(generator: np.random.Generator, crystal: Crystal, room: float) -> tuple[Site, ...]:
    """Return 1 to 6 sites with at most `room` atoms in all, about half of them special.

    A site with too many atoms is drawn again with more special positions.
    """
    wanted = generator.integers(1, _SITES + 1)
    sites: list[Site] = []
    for attempt in range(4 * _SITES):
        special = bool(generator.uniform() < 0.5 or attempt >= wanted)
        positions = orbit(crystal, draw_position(generator, hexagonal=crystal.cell[5] == 120, special=special))
        if len(positions) <= room or (not sites and attempt == 4 * _SITES - 1):
            room -= len(positions)
            element = int(generator.integers(_ELEMENTS[0], _ELEMENTS[1] + 1))
            sites.append(Site(element, positions, float(generator.uniform(0.3, 1.5))))
        if len(sites) == wanted:
            break
    return tuple(sites)


def draw_position(generator: np.random.Generator, *, hexagonal: bool, special: bool) -> np.ndarray:
    """Return a position (3,). In a special one most coordinates are a quarter, some a third, or equal to another."""
    position = generator.uniform(0, 1, 3)
    snapped = np.round(4 * position) / 4 % 1
    kind = generator.uniform()
    if not special:
        return position
    if hexagonal and kind < 0.35:
        return np.array([1 / 3, 2 / 3, snapped[2] if kind < 0.15 else position[2]])
    if kind < 0.5:
        return snapped
    if kind < 0.6:
        return np.full(3, position[0])
    return np.where(generator.uniform(size=3) < 0.67, snapped, position)


def orbit(crystal: Crystal, position: np.ndarray) -> np.ndarray:
    """Return the positions (n, 3) that the group's operations make of one.

    If images nearly coincide, the position is moved to where they do: the mean of the nearby ones.
    """
    rotations, translations = operations(crystal.number)
    while True:
        images = rotations @ position + translations  # (operations, 3), the first by the identity
        together = _near(crystal, images, position)
        apart = (images - position - np.round(images - position))[together]
        if np.abs(apart).max() < 1e-9:
            break
        position = position + apart.mean(0)
    if together.sum() == 1:
        return images % 1.0
    same = _near(crystal, images[:, None], images)  # (operations, operations)
    return images[same.argmax(1) == np.arange(len(images))] % 1.0


def _near(crystal: Crystal, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return whether positions (..., 3) coincide modulo cells."""
    apart = a - b
    return (np.abs(apart - np.round(apart)) * crystal.cell[:3]).max(-1) < _NEAR


@cache
def operations(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotations (n, 3, 3) and translations (n, 3) of a space group, centring included."""
    found = list(gemmi.find_spacegroup_by_number(number).operations())
    return np.array([op.rot for op in found]) / gemmi.Op.DEN, np.array([op.tran for op in found]) / gemmi.Op.DEN


def has_more_symmetry(crystal: Crystal, *, translations_only: bool) -> bool:
    """Return whether the atoms have an operation that the space group lacks. Elements of close numbers count as one."""
    group_rotations, group_translations = operations(crystal.number)
    known = {_as_integers(rotation) for rotation in group_rotations}
    identity = np.eye(3)
    centrings = group_translations[(group_rotations == identity).all((1, 2))]
    candidates = [identity] if translations_only else [identity, *_cosets(crystal, known)]
    fewest = min(range(len(crystal.sites)), key=lambda i: len(crystal.sites[i].positions))
    first = crystal.sites[fewest]
    for rotation in candidates:
        moved = rotation @ first.positions[0]
        targets = _alike(crystal, first.element)
        for translation in targets - moved:  # (n, 3)
            shift = translation - centrings
            if rotation is identity and (np.abs(shift - np.round(shift)) < 1e-6).all(1).any():
                continue
            if all(_lands(crystal, site, rotation, translation) for site in crystal.sites):
                return True
    return False


def _cosets(crystal: Crystal, known: set[tuple[int, ...]]) -> list[np.ndarray]:
    """Return operations of the lattice's point group, one per coset of the space group's except the group itself."""
    found = gemmi.find_lattice_symmetry(crystal.unit_cell, crystal.group.hm[0], 0.01)
    proper = [np.array(op.rot) // gemmi.Op.DEN for op in found.sym_ops]
    seen, out = set(known), []
    own = [np.array(rotation).reshape(3, 3) for rotation in known]
    for rotation in [*proper, *(-rotation for rotation in proper)]:
        if _as_integers(rotation) not in seen:
            out.append(rotation.astype(float))
            seen |= {_as_integers(rotation @ one) for one in own}
    return out


def _as_integers(rotation: np.ndarray) -> tuple[int, ...]:
    return tuple(np.round(rotation).astype(int).ravel().tolist())


def _alike(crystal: Crystal, element: int) -> np.ndarray:
    """Return the positions (n, 3) of the atoms that X-rays hardly distinguish from an element."""
    return np.concatenate([
        site.positions for site in crystal.sites if abs(site.element - element) <= _ALIKE * max(site.element, element)
    ])  # fmt: skip


def _lands(crystal: Crystal, site: Site, rotation: np.ndarray, translation: np.ndarray) -> bool:
    """Return whether an operation maps a site's first atom to a similar one.

    The group's operations imply the others.
    """
    return bool(_near(crystal, _alike(crystal, site.element), rotation @ site.positions[0] + translation).any())
