"""What results are drawn and fitted against: parameters, training FLOPs or dollars of a run."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from . import audit
from .arms import Arm

_BUDGETS = {"parameters": "parameters", "flops": "training FLOPs", "dollars": "dollars"}  # as the audit names them
NAMES = tuple(_BUDGETS)
_PREFIXES = {"": 1.0, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}
_MILLION = 1e6


@dataclass(frozen=True)
class Abscissa:
    """The quantity of the horizontal axis. Dollars that no record has are computed from `usd_per_hour`, if given."""

    name: str = "parameters"
    usd_per_hour: float | None = None

    @property
    def title(self) -> str:
        """The quantity within a sentence."""
        return {
            "parameters": "the number of parameters", "flops": "the training FLOPs of a run",
            "dollars": "the price of a run",
        }[self.name]  # fmt: skip

    @property
    def sentence(self) -> str:
        """What the axis counts, for a caption."""
        return {
            "parameters": "The horizontal axis counts all trainable parameters.",
            "flops": "The horizontal axis counts the FLOPs of a run: three forward passes per training input, and one "
            "per evaluated input.",
            "dollars": "The horizontal axis is the mean price of a run, which depends on the machines.",
        }[self.name]

    def of(self, arm: Arm) -> float:
        """Return the quantity of one run of an arm, on average. Raises InputError if a run lacks it."""
        budgets = {each.name: each.a for each in audit.budgets(arm, arm, usd_per_hour=self.usd_per_hour)}
        found = budgets[_BUDGETS[self.name]]
        if found is None:
            hint = ". Give --usd-per-hour" if self.name == "dollars" else " (it was counted by an earlier version)"
            raise InputError(
                f"the {_BUDGETS[self.name]} of a run of {arm.title} {arm.config.size} are not in its record{hint}, or "
                "use --x parameters"
            )
        if found <= 0:
            raise InputError(
                f"a run of {arm.title} {arm.config.size} has {found:g} {_BUDGETS[self.name]}, which a logarithmic axis "
                "does not have. Use --x parameters"
            )
        return found

    def unit(self, largest: float) -> tuple[float, str]:
        """Return the factor of the unit in which values up to `largest` are drawn, and the axis' label."""
        if self.name == "parameters":
            return _MILLION, "parameters (millions)"
        if self.name == "dollars":
            return 1.0, "price of a run (USD)"
        prefix, factor = [(each, size) for each, size in _PREFIXES.items() if size <= max(largest, 1.0)][-1]
        return factor, f"training FLOPs of a run ({prefix}FLOPs)"

    def shown(self, value: float) -> str:
        """Return a value for a reader: `9.75M`, `4.1 PFLOPs` or `0.75 USD`."""
        if self.name == "parameters":
            return f"{value / _MILLION:.3g}M"
        if self.name == "dollars":
            return f"{value:.3g} USD"
        prefix, factor = [(each, size) for each, size in _PREFIXES.items() if size <= max(value, 1.0)][-1]
        return f"{value / factor:.3g} {prefix}FLOPs"


PARAMETERS = Abscissa()
