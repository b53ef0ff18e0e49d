"""Weights & Biases: its service, or with WANDB_MODE=offline its files, which `wandb sync` sends later."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .client import PROJECT, About


def destination(_about: About) -> str:
    """Return where the curves are sent. Online and offline are two destinations."""
    place = "/".join(filter(None, (os.environ.get("WANDB_ENTITY"), _project())))
    return f"{place} ({os.environ.get('WANDB_MODE') or 'online'})"


def _project() -> str:
    return os.environ.get("WANDB_PROJECT") or PROJECT


class Wandb:
    """A run of W&B with the ID of this training. The service drops a step that it has, so nothing is kept twice.

    Offline there is one folder per process. What waits in the memory of W&B's own process is safe only once the run is
    finished, so nothing is confirmed before.
    """

    def __init__(self, about: About, mark: int) -> None:
        import wandb

        settings = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True)
        self._run: Any = wandb.init(
            project=_project(), id=about.key, name=about.title, config=dict(about.config), resume="allow",
            settings=settings,
        )  # fmt: skip
        offline = bool(self._run.offline)
        self.after = mark if offline else int(self._run.step) - 1 if self._run.resumed else 0

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of a step."""
        self._run.log(dict(values), step=step)

    def confirm(self) -> bool:
        """Return False, since W&B does not report what has arrived."""
        return False

    def finish(self) -> None:
        """Wait until everything has arrived, and end the run."""
        self._run.finish()
