"""A fair comparison of models: the same search for each, what it reached, and the best settings as a study."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.settings.declaring import spelled_numbers
from ..errors import InputError, StudyFailed
from ..studies import cells
from ..studies.rows import Row
from ..system.durable import content, write_text
from . import expected, ranking
from .lines import DONE, Content
from .ranking import Trial
from .sweep import Sweep

if TYPE_CHECKING:
    from ..experiment.observers import Screen


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
    rows = [_row(each) for each in searched]
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


def write_study(searched: Sequence[Searched], path: Path, screen: Screen) -> None:
    """Write the study of the best settings.

    Raises InputError for a file of another content, for settings that are not those of the best trials' runs, and as
    `study`.
    """
    text = study(searched)
    for each in searched:
        _require_same(each, screen)
    if path.exists() and content(path) != text.encode():
        raise InputError(f"{path} exists and has other settings. Delete it, or choose another name for --into")
    write_text(path, text)


def _require_same(searched: Searched, screen: Screen) -> None:
    """Raise InputError if the row of a model in the study is not of its best trial's run."""
    assert searched.best, "a model without a best trial is an error"
    sweep, drawn = searched.sweep, searched.best.drawn
    row = Row(cells=_row(searched), where=f"the best trial of {searched.model}")
    (cell,) = cells.resolved([row], screen, checkpoints=sweep.checkpoints)
    if cell.run_id != drawn.run_id:
        raise InputError(
            f"the best settings of {searched.model} make run {cell.run_id}, and its best trial is run {drawn.run_id}. "
            "The data, a file of weights or isoscale changed since the search. Search again with another --sweep-seed"
        )


def _row(searched: Searched) -> dict[str, Any]:
    """Return the settings of the best trial: those of all trials, and its values."""
    sweep = searched.sweep
    values = searched.best.drawn.values if searched.best else {}
    return sweep.deciding() | sweep.names.given(values) | {"model": searched.model}


def _text(value: Any) -> str:
    """Return a value as a cell of a study."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return spelled_numbers(value) if isinstance(value, tuple) else str(value)
