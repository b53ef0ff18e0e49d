"""isoscale: which vision architecture is better at the same budget, data and seed, and is the difference real."""

from __future__ import annotations

__version__ = "0.1.0"
