"""The figure of a run's test: the confusion of classes, or truth against prediction of values."""

from __future__ import annotations

from pathlib import Path

from .. import task
from ..artifacts.runs import Run
from . import confusion, truth


def picture(run: Run) -> Path:
    """Return the path of the figure."""
    return run.files.truth_png if task.of(run.config.task) is task.values else run.files.confusion_png


def is_drawn(png: Path) -> bool:
    """Return whether a figure exists in both forms, PNG and SVG, and neither is empty."""
    return all(path.is_file() and path.stat().st_size for path in (png, png.with_suffix(".svg")))


def draw_once(run: Run) -> None:
    """Draw the figure next to the run's other files, unless it exists."""
    if not is_drawn(picture(run)):
        (truth if task.of(run.config.task) is task.values else confusion).draw_run(run)
