"""`plot`: draw the figures of a study from the logs and records of its runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from . import options as o
from . import plot_attention
from . import plot_options as p
from .examples import group, page
from .plot_drawing import canvas_of, draw_sets
from .plot_published import published_file
from .screen import result_line

if TYPE_CHECKING:
    from ..results.abscissa import Abscissa


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(help="Draw the figures of a study from its runs.", no_args_is_help=True, **group("plot"))
    commands.command(**page("plot loss"))(loss)
    commands.command(**page("plot scaling"))(scaling)
    commands.command(**page("plot accuracy"))(accuracy)
    commands.command(**page("plot classes"))(classes)
    commands.command(**page("plot disagreements"))(disagreements)
    commands.command(**page("plot reliability"))(reliability)
    commands.command(**page("plot noise"))(noise)
    plot_attention.register(commands)
    commands.command(**page("plot history"))(history)
    commands.command(**page("plot field"))(field)
    commands.command(**page("plot patterns"))(patterns)
    app.add_typer(commands, name="plot")


def loss(
    run: o.RunIds = None,
    separate: p.Separate = False,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw training and validation loss per batch of all architectures and seeds, with one figure per split."""
    from ..report import loss as each
    from ..report import overlay as together

    draw = each.draw if separate else together.draw
    draw_sets(partial(draw, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


def accuracy(
    run: o.RunIds = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw validation accuracy per epoch of all architectures and seeds of a classification."""
    from ..report import accuracy as figures

    draw_sets(partial(figures.draw, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


def scaling(
    run: o.RunIds = None,
    separate: p.Separate = False,
    metric: p.Metric = None,
    fit: p.Fit = False,
    x: p.AxisName = p.USUAL_AXIS,
    usd_per_hour: p.UsdPerHour = None,
    as_json: p.NumbersAsJson = False,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw a test metric against parameters, FLOPs or dollars, and the differences between architectures."""
    from ..report import exponents, growth
    from ..report import scaling as each
    from ..results.abscissa import Abscissa
    from .screen import Screen

    p.require_one_kind(separate=separate, metric=metric, fit=fit, as_json=as_json, axis=x)
    along = Abscissa(x, usd_per_hour)
    if as_json:
        return _print_numbers(run, checkpoints, metric, along, fit=fit)
    draw: Callable[..., list[Path]] = partial(growth.draw, metric=metric, along=along)
    if fit:
        draw = partial(exponents.draw, along=along)
    elif separate:
        draw = each.draw
    return draw_sets(partial(draw, say=Screen().say, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


def _print_numbers(
    named: list[str] | None, checkpoints: Path, metric: str | None, along: Abscissa, *, fit: bool
) -> None:
    """Print the numbers of each dataset's figure as one JSON object, without drawing."""
    from ..artifacts.runs import find_runs
    from ..report import exponents, growth
    from ..report.selection import comparable
    from .screen import Screen, result_json

    say = Screen().say
    sets = comparable(find_runs(checkpoints, say), named=named, say=say)
    if fit:
        found = [exponents.to_json(*exponents.fitted(runs, say, along)[1:]) for runs in sets.values()]
    else:
        numbers = {name: growth.measured(runs, metric, along, say)[1] for name, runs in sets.items()}
        found = [{"dataset": name, **each.to_json()} for name, each in numbers.items()]
    result_json({"datasets": found})


def classes(
    run: o.RunIds = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw the difference of accuracy per class between each architecture and the first one, at each size."""
    from ..report import classes as figures
    from .screen import Screen

    draw_sets(partial(figures.draw, say=Screen().say, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


def disagreements(
    run: o.RunIds = None,
    count: p.CountOfImages = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw test images that one architecture classifies correctly in most seeds and another one does not."""
    from ..report import disagreements as figures
    from .screen import Screen

    draw = partial(figures.draw, count=count, say=Screen().say, canvas=canvas_of(width, caption, formats))
    draw_sets(draw, run, checkpoints, out)


def reliability(
    run: o.RunIds = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw accuracy against confidence for each architecture at each size, with the distribution of confidences."""
    from ..report import diagram as figures
    from .screen import Screen

    draw_sets(partial(figures.draw, say=Screen().say, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


def noise(
    run: o.RunIds = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw accuracy against the severity of noise, noisy against clean accuracy, and the difference of both changes."""
    from ..report import noise as figures
    from .screen import Screen

    draw_sets(partial(figures.draw, say=Screen().say, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


def history(
    run: o.RunIds = None,
    threshold: p.Threshold = None,
    top: p.Top = None,
    zoom: p.Zoom = None,
    published: p.PublishedFiles = None,
    width: p.WidthOfHistory = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw the loss per epoch over seeds, models and sizes, and the time until the loss is below a threshold."""
    from ..report import history as figures
    from ..report.selection import repeated

    draw = partial(figures.draw, threshold=threshold, top=top, zoom=zoom, canvas=canvas_of(width, caption, formats))
    if published:
        return _draw_published(draw, published, run, checkpoints, out)
    return draw_sets(draw, run, checkpoints, out, choose=repeated)


def _draw_published(
    draw: Callable[..., list[Path]], files: list[Path], named: list[str] | None, checkpoints: Path, out: Path
) -> None:
    """Draw published runs with the runs of their dataset, if there are any."""
    from ..artifacts.runs import find_runs
    from ..report.curves import PUBLISHED_ON
    from ..report.selection import repeated
    from .screen import Screen

    found, say = [published_file(path) for path in files], Screen().say
    runs = [run for run in find_runs(checkpoints, say) if run.config.dataset == PUBLISHED_ON]
    if runs or named:
        runs = repeated(runs, named=named, say=say)[PUBLISHED_ON]
    for path in draw(runs, out, published=found):
        result_line(path)


def field(
    folder: p.Fields,
    name: p.FieldName = "rho",
    simulation: p.Simulation = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw a field of one simulation at its earliest and its latest time, in cm and microseconds."""
    from ..report import field as figures

    canvas = canvas_of(width, caption, formats)
    for path in figures.draw(folder, field=name, simulation=simulation, out=out, canvas=canvas):
        result_line(path)


def patterns(
    run: o.RunId = None,
    count: p.Count = 6,
    width: p.WidthOfPatterns = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
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
    canvas = canvas_of(width, caption, formats)
    for path in figures.draw(found, out, count=count, say=screen.say, progress=screen.reading, canvas=canvas):
        result_line(path)
