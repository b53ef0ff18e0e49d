"""The interface of a tracker's client, and what a tracker is given about a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PROJECT = "isoscale"  # unless the tracker's own variable names another


@dataclass(frozen=True, kw_only=True)
class About:
    """What a tracker is given about a run."""

    key: str  # one for each training of a run: another after --fresh
    title: str
    config: Mapping[str, Any]
    folder: Path  # for trackers that write files


class Client(Protocol):
    """A connection to one tracker for one run. It is used by one thread, and its calls may take any time."""

    after: int  # the steps up to this one are there already

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of a step, which is later than all steps before."""

    def confirm(self) -> bool:
        """Return whether everything sent so far is sure to be kept, even if this process is killed now."""

    def finish(self) -> None:
        """Send what still waits, and close the connection. Everything is kept after it."""
