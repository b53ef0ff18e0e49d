"""The budget of a study: hours and dollars that all its runs may take together, by their records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError, Stopped
from .cells import Cell
from .progress import Progress
from .results import totals


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the runs of a study may take, in all commands together; None for no limit."""

    hours: float | None = None
    usd: float | None = None

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.hours is not None or self.usd is not None

    def require(self, cells: Sequence[Cell]) -> None:
        """Raise InputError if dollars are limited and a run has no price."""
        for cell in cells:
            if self.usd is not None and not _price(cell):
                raise InputError(
                    f"--max-usd needs the price of the machine, and {cell.where} has none above 0. Add --usd-per-hour"
                )

    def left(self, cell: Cell, found: Sequence[Progress]) -> list[tuple[float, str]]:
        """Return the minutes that a run may train now by each option. Raises Stopped where nothing is left."""
        took = totals(found)
        hours, dollars = took.get("seconds_occupied", 0.0) / 3600, took.get("dollars", 0.0)
        if self.hours is not None and hours >= self.hours:
            raise Stopped(_spent("--max-hours", f"{hours:,.2f} h of {self.hours:,.2f} h"), saved=True, complete=True)
        if self.usd is not None and dollars >= self.usd:
            raise Stopped(_spent("--max-usd", f"{dollars:,.2f} USD of {self.usd:,.2f} USD"), saved=True, complete=True)
        left = [] if self.hours is None else [(60 * (self.hours - hours), "--max-hours")]
        return left + ([] if self.usd is None else [(60 * (self.usd - dollars) / _price(cell), "--max-usd")])


def _price(cell: Cell) -> float:
    """Return the price of a run's machine in USD per hour; 0 if it is unknown."""
    return float(cell.given.get("usd_per_hour") or 0)


def _spent(option: str, amounts: str) -> str:
    return f"the study stopped by {option}: its runs took {amounts}. A larger {option} resumes it"
