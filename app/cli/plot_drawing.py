"""What the commands of `plot` share: the canvas of their options, and drawing each set of runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .screen import note, result_line

if TYPE_CHECKING:
    from ..artifacts.runs import Run
    from ..report.canvas import Canvas


def canvas_of(width: float | None, caption: bool, formats: str) -> Canvas:
    """Return what the options say of a figure's width, caption and formats. Raise InputError."""
    from ..report import canvas

    return canvas.Canvas(width, caption, note, formats=canvas.formats(formats))


def draw_sets(
    draw: Callable[[list[Run], Path], list[Path]], named: list[str] | None, checkpoints: Path, out: Path,
    choose: Callable[..., dict[str, list[Run]]] | None = None,
) -> None:  # fmt: skip
    """Draw the figures of each set of runs, and print their paths."""
    from ..artifacts.runs import find_runs
    from ..report.selection import comparable
    from .screen import Screen

    say = Screen().say
    for runs in (choose or comparable)(find_runs(checkpoints, say), named=named, say=say).values():
        for path in draw(runs, out):
            result_line(path)
