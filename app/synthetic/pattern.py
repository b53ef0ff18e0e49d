"""A powder pattern from its lines: peak shape, background, counting noise, zero shift, scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from ..tables.reading import BACKGROUND
from ..tables.synthetic import PatternRecipe

_FINE = 0.0125  # degrees: lines are put on a grid no coarser than this, then broadened
_MARGIN = 4.0  # degrees beyond both ends from which lines still contribute
_GROUPS = 10  # widths that are computed; a width between two of them is interpolated
_KALPHA2 = 1.544398 / 1.540593  # copper
_MOST_COUNTS = 1e5


@dataclass(frozen=True)
class Shape:
    """A pseudo-Voigt whose width follows Caglioti: FWHM^2 = u tan^2(theta) + v tan(theta) + w, in degrees."""

    u: float
    v: float
    w: float
    eta: float  # the Lorentzian's share
    narrowest: float
    widest: float

    @classmethod
    def draw(cls, generator: np.random.Generator, recipe: PatternRecipe) -> Shape:
        """Return widths that rise from one end of the range to the other, both drawn from the recipe's."""
        low, high = np.sort(np.exp(generator.uniform(np.log(recipe.fwhm_min), np.log(recipe.fwhm_max), 2)))
        top = np.tan(np.radians(min(recipe.start + recipe.step * (recipe.points - 1), 160) / 2))
        v = -generator.uniform(0, 0.5) * low**2
        u = (high**2 - low**2 - v * top) / top**2
        eta = generator.uniform(0.2, 0.8)
        return cls(float(u), float(v), float(low**2), float(eta), recipe.fwhm_min, recipe.fwhm_max)

    def widths(self, two_theta: np.ndarray) -> np.ndarray:
        """Return the FWHM in degrees."""
        tangent = np.tan(np.radians(np.minimum(two_theta, 175) / 2))
        squares = self.u * tangent**2 + self.v * tangent + self.w
        return np.clip(np.sqrt(np.maximum(squares, 0)), self.narrowest, self.widest)


def grid(recipe: PatternRecipe) -> np.ndarray:
    """Return 2-theta in degrees, float64 (points,)."""
    return recipe.start + recipe.step * np.arange(recipe.points)


def reach(recipe: PatternRecipe) -> tuple[float, float]:
    """Return the range of 2-theta in which lines are needed."""
    return max(recipe.start - _MARGIN, 0.5), min(grid(recipe)[-1] + _MARGIN, 175.0)


def pattern(
    two_theta: np.ndarray, intensity: np.ndarray, generator: np.random.Generator, recipe: PatternRecipe
) -> np.ndarray:
    """Return a pattern, float32 (points,) from 0.001 to 1.001, of lines at 2-theta (n,) with intensities (n,)."""
    shape = Shape.draw(generator, recipe)
    shift = generator.uniform(-1, 1) * recipe.zero_shift
    if recipe.kalpha2:
        second = 2 * np.degrees(np.arcsin(np.minimum(np.sin(np.radians(two_theta / 2)) * _KALPHA2, 1)))
        two_theta = np.concatenate([two_theta, second])
        intensity = np.concatenate([intensity, recipe.kalpha2 * intensity])
    curve = broadened(two_theta + shift, intensity, shape, recipe)
    curve = curve / curve.max()
    if recipe.background:
        curve = curve + _background(generator, recipe)
    if recipe.counts:
        most = np.exp(generator.uniform(np.log(recipe.counts), np.log(max(_MOST_COUNTS, recipe.counts))))
        curve = generator.poisson(curve / curve.max() * most) / most
    low, high = curve.min(), curve.max()
    return ((curve - low) / (high - low) + BACKGROUND).astype(np.float32)


def broadened(
    two_theta: np.ndarray, intensity: np.ndarray, shape: Shape, recipe: PatternRecipe
) -> np.ndarray:  # fmt: skip
    """Return the sum of the lines' peaks at the grid's points, not below 0. Each peak has the area of its intensity.

    Lines are put on a finer grid, in one table per width, and each table is multiplied by its peak's Fourier transform.
    """
    per_step = int(np.ceil(recipe.step / _FINE))
    fine = recipe.step / per_step
    margin = int(np.ceil(_MARGIN / recipe.step)) * per_step
    size = next_fast_len(per_step * recipe.points + 2 * margin, real=True)
    place = (two_theta - recipe.start) / fine + margin
    kept = (place >= 0) & (place < size - 1)
    place, intensity = place[kept], intensity[kept]
    levels, gaussians, lorentzians = _peaks(shape.narrowest, shape.widest, size, fine)
    width = np.interp(shape.widths(two_theta[kept]), levels, np.arange(_GROUPS))
    sticks = np.zeros((_GROUPS + 1) * size)
    left, low = place.astype(np.intp), width.astype(np.intp)
    for group, part in ((low, 1 - (width - low)), (low + 1, width - low)):
        for point, share in ((left, 1 - (place - left)), (left + 1, place - left)):
            sticks += np.bincount(group * size + point, intensity * part * share, minlength=len(sticks))
    spectra = rfft(sticks.reshape(-1, size)[:_GROUPS])  # (widths, frequencies)
    spectra *= (1 - shape.eta) * gaussians + shape.eta * lorentzians
    curve = irfft(spectra.sum(0), size)[margin : margin + per_step * recipe.points : per_step]
    return np.maximum(curve, 0) / fine


@lru_cache(maxsize=1)
def _peaks(narrowest: float, widest: float, size: int, fine: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return widths (n,), and the Fourier transforms (n, frequencies) of a Gaussian and a Lorentzian of each.

    Both have unit area.
    """
    levels = np.geomspace(narrowest, widest * (1 + 1e-9), _GROUPS)
    products = np.multiply.outer(np.pi * levels, np.fft.rfftfreq(size, fine))
    return levels, np.exp(-(products**2) / (4 * np.log(2))), np.exp(-products)


def _background(generator: np.random.Generator, recipe: PatternRecipe) -> np.ndarray:
    """Return a smooth polynomial plus an amorphous hump, (points,), with a random maximum up to the recipe's share."""
    x = np.linspace(-1, 1, recipe.points)
    smooth = np.polynomial.chebyshev.chebval(x, generator.normal(0, 1, 5) / np.arange(1, 6))
    smooth = (smooth - smooth.min()) / max(np.ptp(smooth), 1e-9)
    hump = np.exp(-0.5 * ((grid(recipe) - generator.uniform(15, 35)) / generator.uniform(3, 8)) ** 2)
    both = smooth + generator.uniform(0, 1) * hump
    return generator.uniform(0, recipe.background) * both / both.max()
