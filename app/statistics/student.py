"""Student's t: intervals and p values of an estimate with a standard error and degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

MOST_DF = 1e6


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """An estimate with its standard error and degrees of freedom, both None if there is no standard error."""

    value: float
    se: float | None
    df: float | None

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return value -+ t(df) SE, or None without a standard error."""
        return interval(self.value, self.se, self.df, level)

    @property
    def p(self) -> float | None:
        """The two-sided p value of 0, or None without a standard error."""
        return two_sided(self.value, self.se, self.df)


def interval(value: float, se: float | None, df: float | None, level: float = 0.95) -> tuple[float, float] | None:
    """Return value -+ t(df) SE, or None without a standard error."""
    if se is None or df is None:
        return None
    half = float(stdtrit(df, (1 + level) / 2)) * se
    return value - half, value + half


def two_sided(value: float, se: float | None, df: float | None) -> float | None:
    """Return the two-sided p value of 0, or None without a standard error."""
    return None if se is None or df is None else 2 * float(stdtr(df, -abs(value) / se))
