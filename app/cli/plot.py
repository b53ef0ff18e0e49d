"""`plot`: the figures of a study, from the logs and records of its runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as o
from .screen import result_line

if TYPE_CHECKING:
    from ..artifacts.runs import Run

Folder = Annotated[Path, typer.Option("--out", help="Folder for the figures.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    commands = typer.Typer(help="Draw the figures of the study.", no_args_is_help=True)
    commands.command()(loss)
    commands.command()(scaling)
    commands.command()(history)
    commands.command()(field)
    commands.command()(patterns)
    app.add_typer(commands, name="plot")


def loss(
    run: o.RunIds = None, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, out: Folder = Path("figures")
) -> None:
    """Training and validation loss per batch: a figure per architecture and split, a curve per size."""
    from ..report import loss as figures

    _draw(figures.draw, run, checkpoints, out)


def scaling(
    run: o.RunIds = None, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, out: Folder = Path("figures")
) -> None:
    """Test accuracy against parameters, a figure per architecture."""
    from ..report import scaling as figures
    from .screen import Screen

    _draw(partial(figures.draw, say=Screen().say), run, checkpoints, out)


def history(
    run: o.RunIds = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=0, help="The validation loss to come under (regression: 0.001).")
    ] = None,
    top: Annotated[float | None, typer.Option("--top", min=0, help="Upper end of the loss axes.")] = None,
    zoom: Annotated[float | None, typer.Option("--zoom", min=0, help="Upper end of the zoomed loss axes.")] = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: Folder = Path("figures"),
) -> None:
    """Loss per epoch of runs that differ in --seed, model and size, and the time until it is under a threshold."""
    from ..report import history as figures
    from ..report.selection import repeated

    draw = partial(figures.draw, threshold=threshold, top=top, zoom=zoom)
    _draw(draw, run, checkpoints, out, choose=repeated)


def field(
    folder: Annotated[Path, typer.Argument(help="The folder of the simulations' .npz files.", metavar="FOLDER")],
    name: Annotated[str, typer.Option("--field", help="Which field.")] = "rho",
    simulation: Annotated[
        str | None, typer.Option("--simulation", help="Its key, or the end of it: id0020 (the first).")
    ] = None,
    out: Folder = Path("figures"),
) -> None:
    """A field of one simulation, early and late, in cm and microseconds."""
    from ..report import field as figures

    for path in figures.draw(folder, field=name, simulation=simulation, out=out):
        result_line(path)


def patterns(
    run: o.RunId = None,
    count: Annotated[int, typer.Option("--count", min=1, max=12, help="How many patterns.")] = 6,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: Folder = Path("figures"),
) -> None:
    """Test patterns of a run with their class and the model's three likeliest."""
    from ..artifacts import runs as finding
    from ..report import patterns as figures
    from .screen import Screen

    screen = Screen()
    wanted = {"model": None, "size": None, "dataset": "diffraction"}
    found = (
        finding.by_id(run, checkpoints, screen.say)
        if run
        else finding.newest(**wanted, checkpoints=checkpoints, say=screen.say)
    )
    for path in figures.draw(found, out, count=count, say=screen.say, progress=screen.reading):
        result_line(path)


def _draw(
    draw: Callable[[list[Run], Path], list[Path]], named: list[str] | None, checkpoints: Path, out: Path,
    choose: Callable[..., dict[str, list[Run]]] | None = None,
) -> None:  # fmt: skip
    from ..artifacts.runs import find_runs
    from ..report.selection import comparable
    from .screen import Screen

    say = Screen().say
    for runs in (choose or comparable)(find_runs(checkpoints, say), named=named, say=say).values():
        for path in draw(runs, out):
            result_line(path)
