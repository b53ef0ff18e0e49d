"""The comparison of a published run with what is computed now: single facts, and the report that they make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..artifacts.record import Record
from ..tables.sizes import named

_MARKS = {True: "same", False: "DIFFERS", None: "note"}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One comparison. A fact that `holds` supports the published result, and one that does not refutes it.

    `holds` is None for what is reported and decides nothing.
    """

    what: str  # record | files | numbers | rows | predictions | ...
    holds: bool | None
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the fact for a machine."""
        return {"what": self.what, "holds": self.holds, "text": self.text, **self.values}

    def line(self) -> str:
        """Return the fact for a reader."""
        return f"{_MARKS[self.holds]:<7}  {self.what}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A published run, how it was reproduced, and every fact that was compared."""

    record: Record
    origin: str  # a path or an address on the Hub
    commit: str | None  # of the Hub's repository
    how: str  # evaluation | retraining | new seed
    weights: str  # final | best | ema
    facts: tuple[Fact, ...]
    differences: Mapping[str, tuple[Any, Any]]  # of versions and machines, by name: published, here

    @property
    def reproduced(self) -> bool:
        """Whether no fact refutes the published result."""
        return not self.refuting

    @property
    def refuting(self) -> list[Fact]:
        """The facts that refute the published result."""
        return [fact for fact in self.facts if fact.holds is False]

    def to_json(self) -> dict[str, Any]:
        """Return the report for a machine."""
        record, differences = self.record, self.differences.items()
        return {
            "run_id": record.run_id, "model": record.model, "size": record.size, "dataset": record.dataset,
            "origin": self.origin, "commit": self.commit, "how": self.how, "weights": self.weights,
            "reproduced": self.reproduced, "facts": [fact.to_json() for fact in self.facts],
            "differences": {name: {"published": theirs, "here": ours} for name, (theirs, ours) in differences},
        }  # fmt: skip

    def lines(self) -> list[str]:
        """Return the report for a terminal."""
        record, at = self.record, f" at commit {self.commit}" if self.commit else ""
        head = f"run {record.run_id}: {named(record.model, record.size)} on {record.dataset}, {self.weights} weights"
        apart = [f"{name} {_shown(theirs)} (here {_shown(ours)})" for name, (theirs, ours) in self.differences.items()]
        about = f"versions and machine that differ: {', '.join(apart) or 'none'}"
        verdict = "reproduced" if self.reproduced else f"not reproduced ({', '.join(f.what for f in self.refuting)})"
        return [head, f"from {self.origin}{at}", *(fact.line() for fact in self.facts), about, f"{self.how}: {verdict}"]


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
