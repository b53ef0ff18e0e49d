"""`plot attention` and `plot lambda`: what attention reads among distractors, and lambda over the epochs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import typer

from . import options as o
from . import plot_options as p
from .examples import page


def register(commands: typer.Typer) -> None:
    """Add the commands to those of `plot`."""
    commands.command(**page("plot attention"))(attention)
    commands.command("lambda", **page("plot lambda"))(lambdas)


def attention(
    run: o.RunIds = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw the share of attention on a target, and the accuracy, against the number of distractors."""
    from ..report import signal as figures
    from . import plot

    plot.draw_sets(partial(figures.draw, canvas=plot.canvas_of(width, caption, formats)), run, checkpoints, out)


def lambdas(
    run: o.RunIds = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw lambda of each layer of differential attention over the epochs, with a panel for each seed."""
    from ..report import lambdas as figures
    from . import plot

    plot.draw_sets(partial(figures.draw, canvas=plot.canvas_of(width, caption, formats)), run, checkpoints, out)
