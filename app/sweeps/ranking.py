"""The trials of a sweep for a reader, the best one first. They are ranked by the validation split only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .lines import FAILED, Content, Drawn, Ended
from .metric import Metric


@dataclass(frozen=True)
class Trial:
    """One trial: its draw, its end if there is one, and whether a worker trains it now."""

    drawn: Drawn
    ended: Ended | None
    metric: Metric
    is_held: bool = False

    @property
    def state(self) -> str:
        """How the trial ended, else running or unfinished."""
        return self.ended.state if self.ended else "running" if self.is_held else "unfinished"

    @property
    def value(self) -> float | None:
        """The best value over the trial's epochs, or None if it has none."""
        return self.metric.best(self.ended.curve) if self.ended else None

    @property
    def best_epoch(self) -> int | None:
        """The first epoch with the best value, from 1."""
        return self.ended.curve.index(self.value) + 1 if self.ended and self.value is not None else None

    def to_json(self) -> dict[str, Any]:
        """Return the trial for a machine."""
        return {
            "trial": self.drawn.trial, "run_id": self.drawn.run_id, "state": self.state, "metric": self.metric.name,
            "value": self.value, "best_epoch": self.best_epoch, "epochs": len(self.ended.curve) if self.ended else None,
            "values": self.drawn.values, "why": self.ended.why if self.ended and self.ended.why else None,
        }  # fmt: skip

    def cells(self, names: Sequence[str]) -> tuple[object, ...]:
        """Return the trial's cells of the table of `heads`."""
        value = "-" if self.value is None else f"{self.value:.5g}"
        epochs = f"{self.best_epoch}/{len(self.ended.curve)}" if self.ended and self.best_epoch else "-"
        values = (_text(self.drawn.values[name]) for name in names)
        return (self.drawn.trial, self.drawn.run_id or "-", value, epochs, *values, self.state)


def trials(content: Content, metric: Metric, held: Collection[str] = ()) -> list[Trial]:
    """Return the trials by number. `held` are the names of tickets that living workers have."""
    ended = content.ended
    return [
        Trial(line, ended.get(number), metric, is_held=f"trial-{number}" in held)
        for number, line in sorted(content.drawn.items())
    ]


def ranked(found: Sequence[Trial]) -> list[Trial]:
    """Return the trials, the best one first; failed ones and those without a value come last, and ties by number."""
    return sorted(
        found,
        key=lambda trial: (trial.value is None, trial.state == FAILED, *(trial.metric.costs([trial.value or 0.0]))),
    )


def heads(metric: Metric, names: Sequence[str]) -> tuple[str, ...]:
    """Return the heads of the table of trials."""
    return ("trial", "run", metric.name, "epoch", *names, "state")


def summary(name: str, found: Sequence[Trial]) -> str:
    """Return how many trials are in which state."""
    states = Counter(trial.state for trial in found)
    count = f"{len(found):,} trial{'' if len(found) == 1 else 's'}"
    return f"sweep {name} of {count}" + (
        f": {', '.join(f'{n:,} {state}' for state, n in states.items())}" if found else ""
    )


def shown(values: Mapping[str, Any]) -> str:
    """Return the values of a trial for a reader."""
    return ", ".join(f"{name}={_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
