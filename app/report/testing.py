"""The figure of a run's test: the confusion of classes, or truth against prediction of numbers."""

from __future__ import annotations

from pathlib import Path

from .. import task
from ..artifacts.runs import Run
from . import confusion, truth


def picture(run: Run) -> Path:
    """Where it is."""
    return run.files.truth_png if task.of(run.config.task) is task.values else run.files.confusion_png


def draw_once(run: Run) -> None:
    """Draws it beside the run's other files, where it is not there yet."""
    if not picture(run).exists():
        (truth if task.of(run.config.task) is task.values else confusion).draw_run(run)
