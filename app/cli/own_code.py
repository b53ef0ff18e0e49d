"""The file that a user names for runs with a model of that file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tables import own

if TYPE_CHECKING:
    from ..artifacts.runs import Run


def require_used(model: str | None, *runs: Run) -> None:
    """Raise InputError for a `--model FILE.py:NAME` that is the model of none of these runs."""
    if model is not None:
        own.require_used(model, {run.config.model: run.config.model_sha256 for run in runs})
