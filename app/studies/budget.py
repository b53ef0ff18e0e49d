"""The budget of a study or a sweep: hours and dollars that all its runs may take together, by their records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError, Stopped
from .cells import Cell
from .progress import Progress
from .results import totals

_SMALL = 0.1  # below this, two decimals say too little


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the runs of a study or a sweep may take, in all commands together; None for no limit.

    `elsewhere` are hours and dollars that other runs took, which count too. Raises InputError for an infinite limit.
    """

    hours: float | None = None
    usd: float | None = None
    elsewhere: tuple[float, float] = (0.0, 0.0)
    noun: str = "study"  # what has the runs, in messages: study | sweep

    def __post_init__(self) -> None:
        for option, value in (("--max-hours", self.hours), ("--max-usd", self.usd)):
            if value is not None and not math.isfinite(value):
                raise InputError(f"{option} {value:g} is not an amount. Give a number, or omit it for no limit")

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.hours is not None or self.usd is not None

    def shared(self, found: Sequence[Progress]) -> Budget:
        """Return the budget that these other runs take from too."""
        return replace(self, elsewhere=_took(found))

    def options(self) -> dict[str, float | None]:
        """Return --max-hours and --max-usd of a command that does not know the runs elsewhere."""
        hours, usd = self.elsewhere
        return {
            "max_hours": None if self.hours is None else max(0.0, self.hours - hours),
            "max_usd": None if self.usd is None else max(0.0, self.usd - usd),
        }

    def require(self, cells: Sequence[Cell]) -> None:
        """Raise InputError if dollars are limited and a run has no price."""
        for cell in cells:
            self.require_price(cell.given, cell.where)

    def require_price(self, given: Mapping[str, Any], where: str) -> None:
        """Raise InputError if dollars are limited and these settings have no price; `where` names them."""
        if self.usd is not None and not _price(given):
            raise InputError(
                f"--max-usd needs the price of the machine, and {where} has none above 0. Add --usd-per-hour"
            )

    def left(self, cell: Cell, found: Sequence[Progress]) -> list[tuple[float, str]]:
        """Return the minutes that a run may train now by each option. Raises Stopped where nothing is left."""
        hours, dollars = (own + other for own, other in zip(_took(found), self.elsewhere, strict=True))
        if self.hours is not None and hours >= self.hours:
            raise self._spent("--max-hours", hours, self.hours, "h")
        if self.usd is not None and dollars >= self.usd:
            raise self._spent("--max-usd", dollars, self.usd, "USD")
        left = [] if self.hours is None else [(60 * (self.hours - hours), "--max-hours")]
        return left + ([] if self.usd is None else [(60 * (self.usd - dollars) / _price(cell.given), "--max-usd")])

    def _spent(self, option: str, took: float, most: float, unit: str) -> Stopped:
        amounts = f"{_amount(took)} {unit} of {_amount(most)} {unit}"
        said = f"the {self.noun} stopped by {option}: its runs took {amounts}. A larger {option} resumes it"
        return Stopped(said, saved=True, complete=True)


def _took(found: Sequence[Progress]) -> tuple[float, float]:
    """Return the hours and dollars that runs took."""
    took = totals(found)
    return took.get("seconds_occupied", 0.0) / 3600, took.get("dollars", 0.0)


def _price(given: Mapping[str, Any]) -> float:
    """Return the price of a run's machine in USD per hour; 0 if it is unknown."""
    return float(given.get("usd_per_hour") or 0)


def _amount(value: float) -> str:
    """Return an amount for a reader."""
    return f"{value:,.2f}" if value >= _SMALL else f"{value:.2g}"
