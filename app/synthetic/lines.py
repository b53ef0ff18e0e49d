"""Positions and intensities of a crystal's powder lines: structure factor, multiplicity, polarisation, texture.

I(hkl) = m P |sum_j f_j(s) exp(-B_j s^2) exp(2 pi i h.x_j)|^2 LP, s = sin(theta) / wavelength (International Tables for
Crystallography C, 6.1 to 6.2). A Friedel pair counts as one intensity, since there is no anomalous scattering.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np

from .crystal import Crystal, operations

_POLES = ((0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1))  # faces that grains lie on


@dataclass(frozen=True)
class Texture:
    """Preferred orientation (March 1932; Dollase 1986, doi:10.1107/S0021889886089458): 1 is none, below 1 plates."""

    march: float
    pole: tuple[int, int, int]

    @classmethod
    def draw(cls, generator: np.random.Generator, lowest: float) -> Texture:
        """Return a texture with a March coefficient from `lowest` to 1, and a low-index face."""
        return cls(float(generator.uniform(lowest, 1)), _POLES[generator.integers(len(_POLES))])


def lines(
    crystal: Crystal, *, wavelength: float, low: float, high: float, radiation: str = "xray",
    texture: Texture | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return 2-theta in degrees and intensities, float64 (n,) each, of a powder's lines.

    `low` and `high` are the ends of 2-theta in degrees.
    """
    d_min, d_max = (wavelength / (2 * np.sin(np.radians(angle / 2))) for angle in (high, low))
    hkl = gemmi.make_miller_array(crystal.unit_cell, crystal.group, d_min, d_max, unique=True)  # (n, 3)
    if len(hkl) == 0:
        return np.zeros(0), np.zeros(0)
    s = 0.5 * np.sqrt(crystal.unit_cell.calculate_1_d2_array(hkl))  # (n,)
    theta = np.arcsin(np.minimum(s * wavelength, 1))
    images = np.einsum("ni,rij->nrj", hkl, point_group(crystal.number))  # (n, rotations, 3)
    factors = np.abs(structure_factors(crystal, hkl, radiation=radiation)) ** 2
    weights = multiplicities(hkl, images) * _texture(crystal, images, texture)
    return np.degrees(2 * theta), factors * weights * lorentz_polarisation(theta, radiation)


def structure_factors(crystal: Crystal, hkl: np.ndarray, *, radiation: str = "xray") -> np.ndarray:
    """Return structure factors, complex (n,), for reflections (n, 3), in electrons, or in fm for neutrons."""
    stol2 = 0.25 * crystal.unit_cell.calculate_1_d2_array(hkl)  # (n,), (sin(theta) / wavelength)^2
    total = np.zeros(len(hkl), complex)
    for site in crystal.sites:
        phases = (2 * np.pi) * (hkl @ site.positions.T)  # (n, atoms)
        waves = np.cos(phases).sum(1) + 1j * np.sin(phases).sum(1)
        total += scattering(site.element, stol2, radiation) * np.exp(-site.displacement * stol2) * waves
    return total


def scattering(element: int, stol2: np.ndarray, radiation: str) -> np.ndarray:
    """Return an atom's scattering at (sin(theta) / wavelength)^2: four Gaussians and a constant.

    For neutrons it is the scattering length of the nucleus.
    """
    if radiation == "neutron":
        return np.full(len(stol2), gemmi.Element(element).neutron92.get_coefs()[0])
    a, b, c = _form_factor(element)
    return np.exp(-np.multiply.outer(stol2, b)) @ a + c


@cache
def _form_factor(element: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the coefficients of International Tables C (1992), table 6.1.1.4."""
    found = gemmi.Element(element).it92
    return np.array(found.a), np.array(found.b), found.c


def lorentz_polarisation(theta: np.ndarray, radiation: str) -> np.ndarray:
    """Return (1 + cos^2 2 theta) / (sin^2 theta cos theta), without a monochromator.

    Neutrons have no polarisation factor.
    """
    lorentz = 1 / (np.sin(theta) ** 2 * np.maximum(np.cos(theta), 1e-3))
    return lorentz if radiation == "neutron" else lorentz * (1 + np.cos(2 * theta) ** 2)


@cache
def point_group(number: int) -> np.ndarray:
    """Return the distinct rotations of a space group, integers (rotations, 3, 3). h @ W are the equivalents of h."""
    rotations = np.round(operations(number)[0]).astype(np.int32)
    return np.unique(rotations, axis=0)


def multiplicities(hkl: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return how many reflections (n,) are equivalent to each of (n, 3), from their images.

    Friedel's law is included.
    """
    same = (images == hkl[:, None]).all(-1).sum(1) + (images == -hkl[:, None]).all(-1).sum(1)  # (n,)
    return 2 * images.shape[1] / same


def _texture(crystal: Crystal, images: np.ndarray, texture: Texture | None) -> np.ndarray | float:
    """Return the March-Dollase factor, as a mean over equivalents (n, rotations, 3)."""
    if texture is None:
        return 1.0
    reciprocal = np.array(crystal.unit_cell.frac.mat)  # rows a*, b*, c*
    directions = images @ reciprocal
    pole = np.array(texture.pole) @ reciprocal
    cosines = directions @ pole / np.linalg.norm(directions, axis=-1) / np.linalg.norm(pole)
    squares = np.minimum(cosines**2, 1)
    return ((texture.march**2 * squares + (1 - squares) / texture.march) ** -1.5).mean(1)
