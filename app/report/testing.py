"""The figure of a run's test: the confusion of classes, or truth against prediction of numbers."""

from __future__ import annotations

from pathlib import Path

from .. import task
from ..artifacts.runs import Run
from . import confusion, truth


def picture(run: Run) -> Path:
    """Where it is."""
    return run.files.truth_png if task.of(run.config.task) is task.values else run.files.confusion_png


def is_drawn(png: Path) -> bool:
    """Return whether a figure is there in both of its forms, PNG and SVG, and neither is empty."""
    return all(path.is_file() and path.stat().st_size for path in (png, png.with_suffix(".svg")))


def draw_once(run: Run) -> None:
    """Draw it next to the run's other files, unless it is there."""
    if not is_drawn(picture(run)):
        (truth if task.of(run.config.task) is task.values else confusion).draw_run(run)
