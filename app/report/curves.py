"""The loss per epoch of runs and of published runs, and the epoch at which it fell below a threshold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import log, task
from ..artifacts.runs import Run
from ..errors import InputError
from . import events, selection
from .events import Event

Floats = npt.NDArray[np.float64]
PUBLISHED_ON = "nested_cylinder"  # the dataset of all published runs


@dataclass(frozen=True)
class Published:
    """The mean losses per epoch of a published run: its group, such as CNN_Models, and its name there."""

    group: str
    name: str
    train: Sequence[float]
    val: Sequence[float]


@dataclass(frozen=True)
class History:
    """A run's mean loss per epoch on train and validation, (epochs,) each, and when it fell below the threshold.

    `run` is None for a published one. `group` is what is compared, and `name` distinguishes the runs of a group.
    """

    group: str
    name: str
    train: Floats
    val: Floats
    event: Event
    run: Run | None = None

    @classmethod
    def of(cls, run: Run, threshold: float, differing: str = "") -> History:
        """Read a run's log. Raise InputError if it is damaged or has no complete epoch.

        `differing` has the settings in which runs differ, besides model, size, seed, shape and epochs.
        """
        if run.done:
            run.require_whole("log")
        rows = log.read(run.files.log)[1]
        full = [row for row in rows if row["split"] == "val_full"]
        if not full:
            raise InputError(f"{run.files.log} has no complete epoch yet. Train for at least one epoch")
        config, train = run.config, means(row for row in rows if row["split"] == "train")
        group = selection.run_title(config).removesuffix(f" on {selection.dataset_title(config.dataset)}")
        group = ", ".join(filter(None, (group, differing)))
        losses = ([train[row["epoch"]] for row in full], [float(row["loss"]) for row in full])
        return cls._made(group, f"seed {config.seed}", *losses, threshold, run)

    @classmethod
    def of_published(cls, found: Published, threshold: float) -> History:
        """Return the history of a published run."""
        return cls._made(f"{found.group} (published)", found.name, found.train, found.val, threshold, None)

    @property
    def drawn(self) -> int:
        """The number of epochs that are drawn: up to the event for a regression, all of them for a classification."""
        cut = self.run is None or task.of(self.run.config.task) is task.values
        return self.event.epoch if cut else len(self.val)

    @classmethod
    def _made(
        cls, group: str, name: str, train: Sequence[float], val: Sequence[float], threshold: float, run: Run | None
    ) -> History:
        return cls(group, name, np.array(train), np.array(val), events.time_to(val, threshold), run)


def means(rows: Iterable[dict[str, Any]]) -> dict[int, float]:
    """Return the mean loss over the examples of each epoch."""
    sums: dict[int, tuple[float, int]] = {}
    for row in rows:
        loss, examples = sums.get(row["epoch"], (0.0, 0))
        sums[row["epoch"]] = (loss + row["loss"] * row["examples"], examples + row["examples"])
    return {epoch: loss / examples for epoch, (loss, examples) in sums.items()}


def groups(histories: Sequence[History]) -> dict[str, list[History]]:
    """Return the histories of each group."""
    found: dict[str, list[History]] = {}
    for history in histories:
        found.setdefault(history.group, []).append(history)
    return found


def runs_of(histories: Iterable[History]) -> list[Run]:
    """Return the runs among histories."""
    return [history.run for history in histories if history.run]


def dataset_of(histories: Iterable[History]) -> str:
    """Return the dataset of histories, which is the same for all."""
    runs = runs_of(histories)
    return runs[0].config.dataset if runs else PUBLISHED_ON


def task_of(histories: Iterable[History]) -> str:
    """Return the task of the runs of histories."""
    runs = runs_of(histories)
    return runs[0].config.task if runs else "regression"


def described(histories: Sequence[History]) -> list[str]:
    """Return the facts for the caption: rows and seeds of runs, and how many runs are published ones."""
    runs, published = runs_of(histories), sum(history.run is None for history in histories)
    facts = []
    if runs:
        rows, kind = runs[0].record.data.rows, selection.examples(runs)
        count = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
        facts.append(f"n = {rows.train:,} training and {rows.val:,} validation {kind},")
        facts.append(f"{count}, one curve per run, {selection.seeds(runs)}.")
    if published:
        facts.append(f"{published} published run{'s' if published > 1 else ''}, one curve per file.")
    return facts
