"""A row of an exploratory table of two models: a difference with its interval, and whether it is a discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_FALSE = 0.05  # rate of false discoveries among the marked rows


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A difference A - B as a fraction, on some test examples, with a 95 % interval.

    `adjusted` is the p value adjusted by Benjamini and Hochberg over all rows of the table that have one.
    """

    name: str
    examples: int
    difference: float
    interval: tuple[float, float] | None
    adjusted: float | None

    @property
    def marked(self) -> bool:
        """Whether it is among the discoveries at a false discovery rate of 5 %."""
        return self.adjusted is not None and self.adjusted < _FALSE

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        return {
            "name": self.name, "n": self.examples, "difference": self.difference,
            "interval": self.interval and [*self.interval], "adjusted_p": self.adjusted,
        }  # fmt: skip
