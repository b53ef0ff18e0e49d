"""`plot`: the figures of a study, from the logs and records of its runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import options as o

if TYPE_CHECKING:
    from app.artifacts.paths import Run

Folder = Annotated[Path, typer.Option("--out", help="Folder for the figures.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    commands = typer.Typer(help="Draw the figures of the study.", no_args_is_help=True)
    commands.command()(loss)
    commands.command()(scaling)
    app.add_typer(commands, name="plot")


def loss(
    run: o.RunIds = None, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, out: Folder = Path("figures")
) -> None:
    """Training and validation loss per batch: a figure per architecture and split, a curve per size."""
    from app.report import loss as figures

    _draw(figures.draw, run, checkpoints, out)


def scaling(
    run: o.RunIds = None, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, out: Folder = Path("figures")
) -> None:
    """Test accuracy against parameters, a figure per architecture."""
    from app.cli.screen import Screen
    from app.report import scaling as figures

    _draw(partial(figures.draw, say=Screen().say), run, checkpoints, out)


def _draw(draw: Callable[[list[Run], Path], list[Path]], named: list[str] | None, checkpoints: Path, out: Path) -> None:
    from app.artifacts.paths import find_runs
    from app.cli.screen import Screen
    from app.report.selection import comparable

    say = Screen().say
    for runs in comparable(find_runs(checkpoints, say), named=named, say=say).values():
        for path in draw(runs, out):
            typer.echo(str(path))
