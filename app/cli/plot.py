"""`plot`: draw the figures of a study from the logs and records of its runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as o
from .examples import group, page
from .screen import result_line

if TYPE_CHECKING:
    from ..artifacts.runs import Run

_option = partial(typer.Option, show_default=False)

Folder = Annotated[Path, _option("--out", help="Write the figures into this folder. Default: figures.")]
Threshold = Annotated[
    float | None,
    _option("--threshold", min=0, help="Measure the time until the validation loss is below this value. "
            "Default: 0.001 for regression; classification requires a value."),
]  # fmt: skip
Top = Annotated[
    float | None, _option("--top", min=0, help="End the loss axes at this loss. Default: chosen from the runs.")
]
Zoom = Annotated[
    float | None,
    _option("--zoom", min=0, help="End the zoomed loss axes at this loss. Default: chosen from the runs."),
]
Fields = Annotated[
    Path, typer.Argument(help="Read the .npz files of the simulations from this folder.", metavar="FOLDER")
]
FieldName = Annotated[str, _option("--field", help="Draw this field. Default: rho.")]
Simulation = Annotated[
    str | None,
    _option("--simulation", help="Draw the simulation with this key, or with a key that ends so, such as id0020. "
            "Default: the first."),
]  # fmt: skip
Count = Annotated[int, _option("--count", min=1, max=12, help="Draw this many patterns. Default: 6.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(help="Draw the figures of a study from its runs.", no_args_is_help=True, **group("plot"))
    commands.command(**page("plot loss"))(loss)
    commands.command(**page("plot scaling"))(scaling)
    commands.command(**page("plot history"))(history)
    commands.command(**page("plot field"))(field)
    commands.command(**page("plot patterns"))(patterns)
    app.add_typer(commands, name="plot")


def loss(
    run: o.RunIds = None, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, out: Folder = Path("figures")
) -> None:
    """Draw training and validation loss per batch, one figure per architecture and split, one curve per size."""
    from ..report import loss as figures

    _draw(figures.draw, run, checkpoints, out)


def scaling(
    run: o.RunIds = None, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, out: Folder = Path("figures")
) -> None:
    """Draw test accuracy against the number of parameters, with one figure per architecture."""
    from ..report import scaling as figures
    from .screen import Screen

    _draw(partial(figures.draw, say=Screen().say), run, checkpoints, out)


def history(
    run: o.RunIds = None,
    threshold: Threshold = None,
    top: Top = None,
    zoom: Zoom = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: Folder = Path("figures"),
) -> None:
    """Draw the loss per epoch over seeds, models and sizes, and the time until the loss is below a threshold."""
    from ..report import history as figures
    from ..report.selection import repeated

    draw = partial(figures.draw, threshold=threshold, top=top, zoom=zoom)
    _draw(draw, run, checkpoints, out, choose=repeated)


def field(
    folder: Fields, name: FieldName = "rho", simulation: Simulation = None, out: Folder = Path("figures")
) -> None:
    """Draw a field of one simulation at its earliest and its latest time, in cm and microseconds."""
    from ..report import field as figures

    for path in figures.draw(folder, field=name, simulation=simulation, out=out):
        result_line(path)


def patterns(
    run: o.RunId = None,
    count: Count = 6,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: Folder = Path("figures"),
) -> None:
    """Draw test patterns of a run with their true class and the three classes that the model finds most likely."""
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
