"""The budget of a study or a sweep: hours and dollars that all its runs may take together, by their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, Stopped
from .cells import Cell
from .progress import Progress
from .results import totals


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the runs of a study or a sweep may take, in all commands together; None for no limit."""

    hours: float | None = None
    usd: float | None = None
    noun: str = "study"  # what has the runs, in messages: study | sweep

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.hours is not None or self.usd is not None

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
        took = totals(found)
        hours, dollars = took.get("seconds_occupied", 0.0) / 3600, took.get("dollars", 0.0)
        if self.hours is not None and hours >= self.hours:
            raise Stopped(
                self._spent("--max-hours", f"{hours:,.2f} h of {self.hours:,.2f} h"), saved=True, complete=True
            )
        if self.usd is not None and dollars >= self.usd:
            raise Stopped(
                self._spent("--max-usd", f"{dollars:,.2f} USD of {self.usd:,.2f} USD"), saved=True, complete=True
            )
        left = [] if self.hours is None else [(60 * (self.hours - hours), "--max-hours")]
        return left + ([] if self.usd is None else [(60 * (self.usd - dollars) / _price(cell.given), "--max-usd")])

    def _spent(self, option: str, amounts: str) -> str:
        return f"the {self.noun} stopped by {option}: its runs took {amounts}. A larger {option} resumes it"


def _price(given: Mapping[str, Any]) -> float:
    """Return the price of a run's machine in USD per hour; 0 if it is unknown."""
    return float(given.get("usd_per_hour") or 0)
