"""A drawing of the density in a detonated nested cylinder: tin inside aluminium inside explosive. Not hydrodynamics.

The positions and speeds of the fronts, the densities and how they differ between simulations follow the published mean
and deviation of the real fields (docs/synthetic-data.md has the table, and the accuracy of this drawing). Lengths are
in cm, time in microseconds, densities in g/cm3. The signs of the effect of strength are a choice: stronger tin is
focused less, expands less, and opens a smaller cavity.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..tables.reading import FRAME_MICROSECONDS, PIXEL_CM

ROWS, COLUMNS = 2500, 500  # Z and R
STEP = PIXEL_CM  # cm between rows and between columns
LOWEST_SCALE, HIGHEST_SCALE = 0.25, 2.0  # of ptw_scale
_PARTS = 1024  # densities are multiples of 1 / 1024 g/cm3, which makes the files small

_TIN, _LINER, _EXPLOSIVE = 7.23, 2.70, 1.77  # at rest
_LINER_EDGE, _EXPLOSIVE_EDGE = 1.70, 2.50  # outer radii at rest
_FLOOR, _CUP = 9.4, 9.0  # the lower ends of the tin, on the axis, and of the explosive

# Densities below the incident shock at radii 0, 0.5, 1 and 1.4 cm: just behind it, and just before the reflected wave.
_RADII = (0.0, 0.5, 1.0, 1.4)
_BEHIND, _BEFORE = (10.2, 9.55, 9.35, 9.2), (10.2, 10.5, 8.8, 8.3)
# Densities below the reflected wave at those radii: (cm below it, g/cm3) each.
_WAKES = (
    ((0, 10.4), (0.36, 9.7), (0.9, 8.3), (1.36, 7.4), (2.36, 5.8), (3.36, 4.9), (4.36, 4.6), (5.36, 5.3), (5.86, 6.4),
     (6.86, 6.4)),
    ((0, 10.7), (0.82, 9.4), (1.82, 8.15), (2.82, 6.9), (3.82, 6.1), (4.82, 5.65), (5.82, 6.1), (6.8, 6.3)),
    ((0, 10.0), (0.28, 9.6), (1.28, 8.1), (2.28, 7.0), (3.28, 6.6), (5.28, 6.4), (6.8, 6.4)),
    ((0, 9.6), (1.0, 8.1), (2.0, 7.0), (4.0, 6.6), (5.5, 6.5), (6.8, 6.45)),
)  # fmt: skip
# Density of the explosive's products by cm below the detonation.
_PRODUCTS = (
    (0, 0.29, 1.29, 2.29, 3.29, 5.29, 7.29, 9.29, 10.99, 16.0),
    (2.34, 2.13, 1.86, 1.66, 1.51, 1.31, 0.84, 0.64, 0.50, 0.0),
)


@dataclass(frozen=True)
class Simulation:
    """One simulation: its target, and random nuisance parameters that are independent of the target."""

    ptw_scale: float
    incident: float  # cm that the incident shock is off, upwards
    apex: float  # cm, of its apex on the axis
    reflected: float  # cm, of the reflected wave
    liner: float  # cm that the liner is too thick
    decay: float  # relative, of the products' expansion

    @property
    def strength(self) -> float:
        """The target, scaled from -1 for the weakest tin to 1 for the strongest."""
        return 2 * (self.ptw_scale - LOWEST_SCALE) / (HIGHEST_SCALE - LOWEST_SCALE) - 1


def simulate(key: str, *, seed: int, ptw_scale: float | None = None) -> Simulation:
    """Return the simulation of that key, whose draws depend on seed and key alone.

    Without a target, it is drawn too.
    """
    digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    generator = np.random.default_rng(np.random.SeedSequence((seed, digest)))
    drawn = generator.uniform(LOWEST_SCALE, HIGHEST_SCALE)
    jitters = generator.uniform(-1, 1, 5) * (0.02, 0.02, 0.02, 0.01, 0.03)
    return Simulation(float(drawn if ptw_scale is None else ptw_scale), *map(float, jitters))


def sim_time(index: int) -> float:
    """Return the microseconds at a time index."""
    return round(FRAME_MICROSECONDS * (index - 1), 1)


def density(simulation: Simulation, index: int) -> np.ndarray:
    """Return the density in g/cm3, float32 (ROWS, COLUMNS).

    Rows are along the axis Z from 0, columns along the radius R from 0.
    """
    z = (STEP * np.arange(ROWS))[:, None]  # (ROWS, 1)
    r = (STEP * np.arange(COLUMNS))[None, :]  # (1, COLUMNS)
    fronts = Fronts.at(simulation, sim_time(index))
    tin = _tin_edge(simulation, fronts, z)  # (ROWS, 1)
    liner = tin + _liner_thickness(simulation, fronts, z)
    rho = _outside(simulation, fronts, z, r, liner)
    shell = _LINER + 0.35 * np.exp(-np.maximum(fronts.detonation - z, 0) / 1.5) * (z < fronts.detonation)
    rho = _mix(rho, shell, _below(r, liner, 0.02))
    core = 160  # columns: the tin is nowhere as wide
    inside = _below(r[:, :core], tin, 0.02) * (1 - _below(z, _FLOOR + 0.15 * (r[:, :core] / 1.4) ** 2, 0.03))
    rho[:, :core] = _mix(rho[:, :core], _inside(simulation, fronts, z, r[:, :core]), inside)
    return (np.round(rho * _PARTS) / _PARTS).astype(np.float32)


@dataclass(frozen=True)
class Fronts:
    """The positions of the waves, as heights in cm."""

    time: float
    detonation: float
    edge: float  # of the incident shock at the tin's outer radius
    apex: float  # of the incident shock on the axis
    reflected: float  # of the reflected wave at R = 1.3

    @classmethod
    def at(cls, simulation: Simulation, time: float) -> Fronts:
        """Return the fronts at a time in microseconds. The shock is further ahead in stronger tin."""
        passed, strength = time - 20.8, simulation.strength
        detonation = 18.05 + 0.8875 * passed
        return cls(
            time=time,
            detonation=detonation,
            edge=detonation - 0.35 + simulation.incident + 0.03 * strength,
            apex=15.12 + 0.90 * passed + simulation.apex + 0.095 * strength,
            reflected=13.80 + 0.825 * passed + simulation.reflected + 0.03 * strength,
        )

    def incident_at(self, r: np.ndarray) -> np.ndarray:
        """Return the height of the incident shock at a radius."""
        return self.apex + (self.edge - self.apex) * r / 1.4

    def reflected_at(self, r: np.ndarray) -> np.ndarray:
        """Return the height of the reflected wave at a radius."""
        return self.apex + (self.reflected - self.apex) * r / 1.3


def _inside(simulation: Simulation, fronts: Fronts, z: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the density of the tin, (rows, columns)."""
    strength = simulation.strength
    incident, reflected = fronts.incident_at(r), fronts.reflected_at(r)  # (1, columns)
    share = np.clip((incident - z) / np.maximum(incident - reflected, STEP), 0, 1)
    start, end = np.interp(r, _RADII, _BEHIND), np.interp(r, _RADII, _BEFORE)
    rho = _mix(_TIN, start + (end - start) * share, _below(z, incident, 0.06 * np.clip(r / 0.4, 0.3, 1)))
    below = np.maximum(reflected - z, 0)
    wake = _wake(below, r) + 0.10 * strength * np.clip(below / 2, 0, 1) * np.clip(1 - below / 9, 0, 1)
    rho = _mix(rho, wake, _below(z, reflected, 0.08))
    depth = fronts.apex - z
    spot = np.exp(-((r / 0.10) ** 2) - np.maximum(depth - 0.05, 0) / 0.09) * _below(z, fronts.apex, 0.015)
    rho = rho + (4.8 - 0.9 * strength) * spot
    return rho * (1 - _cavity(strength, fronts, z, r))


def _cavity(strength: float, fronts: Fronts, z: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the share of the tin that is missing where it has torn near the axis, after 22.6 microseconds."""
    age = max(fronts.time - 22.6, 0.0)
    share = (1 - np.exp(-age)) * (0.85 - 0.10 * strength)
    length, width = 0.30 + 0.30 * age * (1 - 0.15 * strength), 0.10 + 0.025 * age * (1 - 0.15 * strength)
    return share * np.exp(-(((z - fronts.apex + 6.5) / length) ** 2) - ((r - 0.2) / width) ** 2)


def _wake(below: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the density below the reflected wave, interpolated in the table by radius and distance below the wave."""
    rows = np.minimum((below / STEP).round().astype(np.intp), len(_wakes()[0]) - 1)
    place = np.interp(r, _RADII, range(len(_RADII)))  # (1, columns)
    low = np.minimum(place.astype(np.intp), len(_RADII) - 2)
    return _mix(_wakes()[low, rows], _wakes()[low + 1, rows], place - low)


@cache
def _wakes() -> np.ndarray:
    """Return the table of wakes at every STEP below the reflected wave, smooth between its knots: (radii, steps)."""
    from scipy.interpolate import PchipInterpolator

    below = STEP * np.arange(ROWS)
    return np.stack([
        PchipInterpolator(*zip(*knots, strict=True))(np.minimum(below, knots[-1][0])) for knots in _WAKES
    ])  # fmt: skip


def _tin_edge(simulation: Simulation, fronts: Fronts, z: np.ndarray) -> np.ndarray:
    """Return the outer radius of the tin: unchanged above the shock, narrowest at the reflected wave, wider below."""
    strength, low = simulation.strength, fronts.reflected
    knots = (low - 5, low - 3, low, (low + fronts.edge) / 2, fronts.edge, fronts.edge + 0.3)
    wide = 1.475 - 0.012 * strength
    return np.interp(z, knots, (wide, wide, 1.25 + 0.011 * strength, 1.30 + 0.009 * strength, 1.395, 1.40))


def _liner_thickness(simulation: Simulation, fronts: Fronts, z: np.ndarray) -> np.ndarray:
    """Return the thickness of the aluminium, which is slightly smaller behind the shock."""
    ahead = np.clip((z - fronts.detonation + 1.0) / 1.0, 0, 1)
    return _LINER_EDGE - 1.40 + simulation.liner - 0.03 * (1 - ahead)


def _outside(simulation: Simulation, fronts: Fronts, z: np.ndarray, r: np.ndarray, liner: np.ndarray) -> np.ndarray:
    """Return the density outside the liner: explosive ahead of the detonation, its products behind, else 0.

    The products leave below and to the side.
    """
    depth = np.maximum(fronts.detonation - z, 0)
    products = np.interp(depth, _PRODUCTS[0], _PRODUCTS[1]) * (1 - simulation.decay * np.clip(depth / 4, 0, 1))
    spread = _EXPLOSIVE_EDGE + 0.4 * depth
    profile = products * np.clip((spread - r) / np.maximum(spread - liner - 0.6, 0.3), 0, 1)
    at_rest = _EXPLOSIVE * _below(r, _EXPLOSIVE_EDGE, 0.02) * (z > _CUP)
    return _mix(at_rest, profile, _below(z, fronts.detonation, 0.03))


def _below(x: np.ndarray, edge: np.ndarray | float, width: np.ndarray | float) -> np.ndarray:
    """Return 1 well below the edge and 0 well above it, smooth over a width."""
    return 0.5 * (1 + np.tanh((edge - x) / width))


def _mix(a: np.ndarray | float, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return `a` where the share is 0, and `b` where it is 1."""
    return a + (b - a) * share
