"""The trackers that a run's curves can be sent to: their names, the packages that they need, and where they write."""

from __future__ import annotations

import re
from typing import NamedTuple

from .names import look_up


class TrackerRow(NamedTuple):
    """One tracker. The extra that installs its package has the tracker's name."""

    name: str
    package: str  # as it is imported
    title: str


TRACKERS = {
    row.name: row
    for row in (
        TrackerRow("trackio", "trackio", "Trackio"),
        TrackerRow("wandb", "wandb", "Weights & Biases"),
        TrackerRow("tensorboard", "tensorboard", "TensorBoard"),
    )
}


def tracker_row(name: str) -> TrackerRow:
    """Return the row of a tracker. Raises InputError with the nearest name."""
    return look_up("tracker", name, TRACKERS)


def names_in(text: str) -> list[str]:
    """Return the names in a list such as `trackio+tensorboard`, each once. Raises InputError for an unknown name."""
    return [*dict.fromkeys(tracker_row(name).name for name in re.split(r"[+,]", text.replace(" ", "")))]


def canonical(text: str) -> str:
    """Return the one spelling of a list of trackers, joined by +. Raises InputError for an unknown name."""
    return "+".join(names_in(text))
