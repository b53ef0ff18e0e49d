"""Trackio: its database in TRACKIO_DIR, or with TRACKIO_SPACE_ID a Space on the Hugging Face Hub."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from .client import PROJECT, About

_PATIENCE = 60.0  # seconds until steps that were logged are in the database
_POLL = 0.1


def destination(_about: About) -> str:
    """Return where the curves are sent."""
    return f"{_project()} ({'a server' if _is_remote() else 'local'})"


def _project() -> str:
    return os.environ.get("TRACKIO_PROJECT") or PROJECT


def _is_remote() -> bool:
    return bool(os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL"))


class Trackio:
    """A run of Trackio, named by the title and the key of this training.

    Trackio stores a step that it gets twice as two rows. Its local database is therefore asked which step is the last.
    A Space is not, and confirms at the end only.
    """

    def __init__(self, about: About, mark: int) -> None:
        import trackio

        self._name, self._last = f"{about.title} {about.key}", 0
        self._run: Any = trackio.init(
            project=_project(), name=self._name, config=dict(about.config), resume="allow", embed=False,
            auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip
        self.after = mark if _is_remote() else self._stored()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of a step."""
        self._run.log(dict(values), step=step)
        self._last = step

    def confirm(self) -> bool:
        """Wait until the local database has every step. Raises TimeoutError after a minute."""
        if _is_remote():
            return False
        deadline = time.monotonic() + _PATIENCE
        while self._stored() < self._last:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Trackio did not store step {self._last} within {_PATIENCE:.0f} s")
            time.sleep(_POLL)
        return True

    def finish(self) -> None:
        """Wait until everything has arrived, and end the run."""
        self._run.finish()

    def _stored(self) -> int:
        """Return the last step in the local database, or 0."""
        from trackio.sqlite_storage import SQLiteStorage

        return SQLiteStorage.get_max_step_for_run(_project(), self._name) or 0
