"""A fair comparison of models: the same search for each, what it reached, and the best settings as a study."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.settings.declaring import spelled_numbers
from ..errors import InputError, StudyFailed
from ..system.durable import content, write_text
from . import expected, ranking
from .lines import DONE, Content
from .ranking import Trial
from .sweep import Sweep


@dataclass(frozen=True)
class Searched:
    """One model's search: its sweep and its trials."""

    model: str
    sweep: Sweep
    trials: list[Trial]

    @classmethod
    def of(cls, sweep: Sweep, lines: Content) -> Searched:
        """Return the search of a sweep of one model."""
        return cls(str(sweep.given["model"]), sweep, ranking.trials(lines, sweep.file.metric))

    @property
    def best(self) -> Trial | None:
        """The best trial that was trained to its end, or None if there is none."""
        done = [trial for trial in self.trials if trial.state == DONE and trial.value is not None]
        return ranking.ranked(done)[0] if done else None

    @property
    def edges(self) -> list[str]:
        """The parameters whose best value is at an end of its range."""
        return expected.edges(self.sweep.file.parameters, self.best) if self.best else []

    def curve(self, ns: Sequence[int]) -> dict[int, float]:
        """Return the expected best value of n trials."""
        return expected.curve(self.trials, self.sweep.file.metric, ns)

    def to_json(self) -> dict[str, Any]:
        """Return the search for a machine; `expected` has the expected best of n trials by n."""
        return {
            "model": self.model, "trials": len(self.trials), "metric": self.sweep.file.metric.name,
            "best": self.best.to_json() if self.best else None, "at_the_edge": self.edges,
            "expected": {str(n): value for n, value in self.curve(range(1, len(self.trials) + 1)).items()},
        }  # fmt: skip


def numbers(searched: Sequence[Searched]) -> list[int]:
    """Return the numbers of trials whose expected best is printed: 1, 2, 4, ... and the largest common one."""
    most = min(len(each.trials) for each in searched)
    return sorted({most, *(2**at for at in range(most.bit_length()) if 2**at <= most)})


def table(searched: Sequence[Searched]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return the heads and the rows of the comparison."""
    ns, metric = numbers(searched), searched[0].sweep.file.metric
    heads = ("model", "trials", f"best {metric.name}", *(f"best of {n}" for n in ns), "at the edge", "best settings")
    rows = []
    for each in searched:
        best, curve = each.best, each.curve(ns)
        values = [f"{curve[n]:.4g}" if n in curve else "-" for n in ns]
        found = (f"{best.value:.5g}", ranking.shown(best.drawn.values)) if best else ("-", "-")
        rows.append((each.model, len(each.trials), found[0], *values, ", ".join(each.edges) or "-", found[1]))
    return heads, rows


def notes(searched: Sequence[Searched]) -> list[str]:
    """Return what limits the comparison."""
    found = [
        "the best value is too good an estimate, because it was chosen. Train the best settings with new seeds to "
        "compare the models"
    ]
    if any(each.edges for each in searched):
        found.append(
            "the best value of a parameter is at the edge of its range. The optimum may lie outside, and then the "
            "comparison is invalid. Widen the range for all models"
        )
    if searched[0].sweep.file.method == "bayes":
        found.append("trials of bayes are not independent, so the expected best of n describes them only")
    if any(trial.state == "pruned" for each in searched for trial in each.trials):
        found.append("a pruned trial counts with its best value until it stopped")
    return found


def study(searched: Sequence[Searched]) -> str:
    """Return a study as CSV: a row for each model, with the settings of all trials and its best values.

    It has no seed, so that `--cross seed=1-5` multiplies its rows. Raises StudyFailed for a model without a complete
    trial, and InputError for a value that has a `#`.
    """
    require_complete(searched)
    rows = [
        each.sweep.deciding() | each.sweep.names.given(each.best.drawn.values) | {"model": each.model}
        for each in searched if each.best
    ]  # fmt: skip
    columns = ["model", *sorted({name for row in rows for name in row} - {"model", "seed"})]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *([_text(row.get(name, "")) for name in columns] for row in rows)])
    if "#" in text.getvalue():
        raise InputError("a setting has a `#`, which begins a comment in a study. Rename that file or folder")
    return text.getvalue()


def require_complete(searched: Sequence[Searched]) -> None:
    """Raise StudyFailed if a model has no trial that was trained to its end."""
    if nothing := [each.model for each in searched if not each.best]:
        raise StudyFailed(
            f"no trial of {' or '.join(nothing)} was trained to its end, so there is nothing to compare. `sweep "
            "status` with --model prints why. Change the ranges or the settings of all models"
        )


def write_study(searched: Sequence[Searched], path: Path) -> None:
    """Write the study of the best settings. Raises InputError for a file of another content, and as `study`."""
    text = study(searched)
    if path.exists() and content(path) != text.encode():
        raise InputError(f"{path} exists and has other settings. Delete it, or choose another name for --into")
    write_text(path, text)


def _text(value: Any) -> str:
    """Return a value as a cell of a study."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return spelled_numbers(value) if isinstance(value, tuple) else str(value)
