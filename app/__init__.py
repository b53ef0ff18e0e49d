"""isoscale: which vision architecture is better at the same budget, data and seed, and is the difference real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tables import counted as _counted

if TYPE_CHECKING:
    from .tables.families import Family

__version__ = "0.1.0"


def _measured(model: str) -> Family:
    """The family of a model, with counts of what is built; torch is imported when the first of them is asked for."""
    from .models.counting import measured_of

    return measured_of(model)


_counted.measured_by(_measured)  # the tables know what to count, the models how
