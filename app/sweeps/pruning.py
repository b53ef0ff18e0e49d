"""The early termination of a sweep's trials, decided in the training process at each epoch's end.

The worker names the trial and the file of lines in the environment. The decision needs these lines and logs only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts.paths import RunFiles
from ..errors import Damaged, InputError
from . import curves, lines
from .hyperband import Decision
from .lines import Content
from .metric import Metric

VARIABLE = "ISOSCALE_TRIAL"  # set for a trial's training: its number, the folder of all runs, and the file of lines


def variable(number: int, checkpoints: Path, path: Path) -> dict[str, str]:
    """Return the environment variable by which a training process finds the judge of its trial."""
    return {VARIABLE: json.dumps([number, str(checkpoints.absolute()), str(path.absolute())])}


@dataclass(frozen=True)
class Judge:
    """The judge of one trial, as the training process asks it."""

    number: int
    checkpoints: Path
    path: Path

    def __call__(self, passes: Sequence[Mapping[str, Any]]) -> str | None:
        """Return why the run is to stop after these full validation passes, or None."""
        content = lines.read(self.path)
        if not content.header:
            return None
        metric = content.header.metric
        curve = [metric.value(row) for row in passes]
        others = [metric.costs(each) for each in _others(content, self.number, metric, self.checkpoints)]
        rule = content.header.early_terminate
        return why(metric, rule.decision(metric.costs(curve), others)) if rule else None


def of_environment() -> Judge | None:
    """Return the judge of this process's trial, or None if it trains no trial."""
    if not (asked := os.environ.get(VARIABLE)):
        return None
    try:
        number, checkpoints, path = json.loads(asked)
        return Judge(int(number), Path(checkpoints), Path(path))
    except (ValueError, TypeError):
        raise InputError(
            f"{VARIABLE}={asked} is not a trial. It is set by `sweep` for its trainings. Unset it"
        ) from None


def first(
    content: Content, number: int, curve: Sequence[float], checkpoints: Path, *, epochs: int
) -> tuple[int, str] | None:
    """Return the first epoch at whose end a trial with this curve would stop, and why, or None.

    As in training, nothing is compared after the last of its epochs.
    """
    header = content.header
    if not header or not header.early_terminate:
        return None
    costs = header.metric.costs(curve)
    others = [header.metric.costs(each) for each in _others(content, number, header.metric, checkpoints)]
    for epoch in range(1, min(len(curve), epochs - 1) + 1):
        if found := why(header.metric, header.early_terminate.decision(costs[:epoch], others)):
            return epoch, found
    return None


def why(metric: Metric, found: Decision | None) -> str | None:
    """Return why a run stops, or None if it continues."""
    if not found or not found.stops:
        return None
    sign = -1 if metric.maximize else 1
    than = "below" if metric.maximize else "above"
    return (
        f"by early_terminate of the sweep, since its {metric.name} of {sign * found.value:.5g} at epoch {found.band} "
        f"is {than} {sign * found.threshold:.5g}"
    )


def _others(content: Content, number: int, metric: Metric, checkpoints: Path) -> list[Sequence[float]]:
    """Return the curves of all other trials: of ended ones from their lines, of running ones from their logs."""
    found: list[Sequence[float]] = [line.curve for trial, line in content.ended.items() if trial != number]
    for line in content.open:
        if line.trial != number and line.run:
            with suppress(Damaged):  # a run that just begins
                found.append(curves.of_run(RunFiles.at(checkpoints, line.run), metric))
    return [curve for curve in found if curve]
