"""`plot`: draw the figures of a study from the logs and records of its runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from . import options as o
from .examples import group, page
from .screen import note, result_line

if TYPE_CHECKING:
    from ..artifacts.runs import Run
    from ..report.canvas import Canvas
    from ..report.curves import Published

_option = partial(typer.Option, show_default=False)


def _inches(text: str) -> float:
    from ..report import canvas

    try:
        return canvas.inches(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


def _width(default: str) -> Any:
    """Return the option of a kind of figure that has this width by default."""
    return _option("--width", parser=_inches, metavar="LENGTH", help="Set the width of each figure, with the unit in, "
                   f"mm or cm, from 2.5in to 20in, such as 3.25in for one column. Default: {default}.")  # fmt: skip


Width = Annotated[float | None, _width("8.5in")]
WidthOfHistory = Annotated[float | None, _width("12in, and 8.5in for the time to the threshold")]
WidthOfPatterns = Annotated[float | None, _width("11in")]
Caption = Annotated[
    bool,
    _option("--caption/--no-caption", metavar="", help="Print the title and the caption in the figure, or else both on "
            "stderr, as one line `caption: ...` per figure. Default: --caption."),
]  # fmt: skip


def _folder(out: Path) -> Path:
    """Return the folder of the figures. Raise InputError for the name of a figure, which would become a folder."""
    kind = out.suffix.lower().removeprefix(".")
    if kind in ("png", "svg", "pdf", "jpg", "jpeg", "eps") and not out.is_dir():
        raise InputError(
            f"--out {out} is a file, but figures are written into a folder, under names of their content. Name a "
            "folder, and the format with --format, such as --format pdf"
        )
    return out


Folder = Annotated[
    Path, _option("--out", callback=_folder, help="Write the figures into this folder. Default: figures.")
]
Format = Annotated[
    str,
    _option("--format", help="Write each figure in these formats, of png, svg and pdf, separated by commas. "
            "Default: png,svg."),
]  # fmt: skip
_USUAL_FORMATS = "png,svg"
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
PublishedFiles = Annotated[
    list[Path] | None,
    _option("--published", metavar="FILE", help="Also draw the run of this studyNNN_trainval_summary.csv of LANL's "
            "study; repeat it for more files. Default: none."),
]  # fmt: skip
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
    run: o.RunIds = None,
    width: Width = None,
    caption: Caption = True,
    formats: Format = _USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: Folder = Path("figures"),
) -> None:
    """Draw training and validation loss per batch, one figure per architecture and split, one colour per size."""
    from ..report import loss as figures

    _draw(partial(figures.draw, canvas=_canvas(width, caption, formats)), run, checkpoints, out)


def scaling(
    run: o.RunIds = None,
    width: Width = None,
    caption: Caption = True,
    formats: Format = _USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: Folder = Path("figures"),
) -> None:
    """Draw test accuracy against the number of parameters, with one figure per architecture."""
    from ..report import scaling as figures
    from .screen import Screen

    _draw(partial(figures.draw, say=Screen().say, canvas=_canvas(width, caption, formats)), run, checkpoints, out)


def history(
    run: o.RunIds = None,
    threshold: Threshold = None,
    top: Top = None,
    zoom: Zoom = None,
    published: PublishedFiles = None,
    width: WidthOfHistory = None,
    caption: Caption = True,
    formats: Format = _USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: Folder = Path("figures"),
) -> None:
    """Draw the loss per epoch over seeds, models and sizes, and the time until the loss is below a threshold."""
    from ..report import history as figures
    from ..report.selection import repeated

    draw = partial(figures.draw, threshold=threshold, top=top, zoom=zoom, canvas=_canvas(width, caption, formats))
    if published:
        return _draw_published(draw, published, run, checkpoints, out)
    return _draw(draw, run, checkpoints, out, choose=repeated)


def _draw_published(
    draw: Callable[..., list[Path]], files: list[Path], named: list[str] | None, checkpoints: Path, out: Path
) -> None:
    """Draw published runs with the runs of their dataset, if there are any."""
    from ..artifacts.runs import find_runs
    from ..report.curves import PUBLISHED_ON
    from ..report.selection import repeated
    from .screen import Screen

    found, say = [_published(path) for path in files], Screen().say
    runs = [run for run in find_runs(checkpoints, say) if run.config.dataset == PUBLISHED_ON]
    if runs or named:
        runs = repeated(runs, named=named, say=say)[PUBLISHED_ON]
    for path in draw(runs, out, published=found):
        result_line(path)


def _published(path: Path) -> Published:
    """Return the losses in a file of LANL's: <group>/study_NNN/studyNNN_trainval_summary.csv. Raises InputError."""
    from ..report.curves import Published
    from ..studies.legacy import lanl
    from ..system.durable import text

    try:
        rows = lanl.read_summary(text(path), str(path))
    except (OSError, UnicodeError) as error:
        raise InputError(f"--published {path} cannot be read ({error}). Name a file of LANL's study") from None
    if not rows:
        raise InputError(f"--published {path} has no epochs. Name a file with at least one")
    folders = path.resolve().parent
    group = folders.parent.name if folders.name.startswith("study_") else folders.name
    name = path.name.removesuffix("_trainval_summary.csv")
    return Published(group, name, [row.train_loss for row in rows], [row.val_loss for row in rows])


def field(
    folder: Fields,
    name: FieldName = "rho",
    simulation: Simulation = None,
    width: Width = None,
    caption: Caption = True,
    formats: Format = _USUAL_FORMATS,
    out: Folder = Path("figures"),
) -> None:
    """Draw a field of one simulation at its earliest and its latest time, in cm and microseconds."""
    from ..report import field as figures

    canvas = _canvas(width, caption, formats)
    for path in figures.draw(folder, field=name, simulation=simulation, out=out, canvas=canvas):
        result_line(path)


def patterns(
    run: o.RunId = None,
    count: Count = 6,
    width: WidthOfPatterns = None,
    caption: Caption = True,
    formats: Format = _USUAL_FORMATS,
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
    canvas = _canvas(width, caption, formats)
    for path in figures.draw(found, out, count=count, say=screen.say, progress=screen.reading, canvas=canvas):
        result_line(path)


def _canvas(width: float | None, caption: bool, formats: str) -> Canvas:
    """Return what the options say of a figure's width, caption and formats. Raise InputError."""
    from ..report import canvas

    return canvas.Canvas(width, caption, note, formats=canvas.formats(formats))


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
