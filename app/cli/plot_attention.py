"""`plot attention`, `plot maps`, `plot lambda`: attention among distractors and on an image, lambda over the epochs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from . import plot_options as p
from .examples import page
from .plot_drawing import canvas_of, draw_sets
from .robust import Names

_option = partial(typer.Option, show_default=False)
Row = Annotated[
    int | None,
    _option("--row", min=0, help="Draw this published row of the test set. Default: the first one of `attention`."),
]
Layers = Annotated[
    str | None,
    _option("--layers", metavar="N,N", help="Draw these layers, which count from 0. Default: the first, the middle and "
            "the last one."),
]  # fmt: skip
At = Annotated[
    str | None,
    _option("--at", metavar="X,Y", help="Also draw what the patch at this pixel of the model's input reads. "
            "Default: no patch."),
]  # fmt: skip


def register(commands: typer.Typer) -> None:
    """Add the commands to those of `plot`."""
    commands.command(**page("plot attention"))(attention)
    commands.command(**page("plot maps"))(maps)
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

    draw_sets(partial(figures.draw, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


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

    draw_sets(partial(figures.draw, canvas=canvas_of(width, caption, formats)), run, checkpoints, out)


def maps(
    names: Names,
    row: Row = None,
    layers: Layers = None,
    at: At = None,
    device: o.Device = None,
    threads: o.Threads = None,
    width: p.Width = None,
    caption: p.Caption = True,
    formats: p.Format = p.USUAL_FORMATS,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    out: p.Folder = Path("figures"),
) -> None:
    """Draw a test image and the attention maps of runs on it: A, or A1, lambda A2 and D of differential attention."""
    from ..studies import compared
    from .screen import Screen, result_line

    canvas, chosen, point = canvas_of(width, caption, formats), _numbers("--layers", layers), _numbers("--at", at)
    _require_point(at, point)
    with Screen() as screen:
        runs = [run for name in names for run in compared.named([name], checkpoints, screen).parts[name]]
        from ..experiment import maps_at  # torch, which a wrong name above should not wait for
        from ..experiment.options import Options
        from ..report import panels

        options = Options(device=device or "auto", threads=threads)
        where = (point[0], point[1]) if point else None
        found = [maps_at.pictures(run, row, chosen, where, options, screen) for run in runs]
    for path in panels.draw(runs, found, out, canvas=canvas):
        result_line(path)


def _numbers(option: str, text: str | None) -> list[int] | None:
    """Return the numbers in a text such as `0,5`. Raise InputError for other texts."""
    from ..errors import InputError

    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"{option} {text!r} is not a list of numbers. Write them with commas, such as 0,5")
    return [int(part) for part in parts]


def _require_point(text: str | None, point: list[int] | None) -> None:
    from ..errors import InputError

    if point is not None and len(point) != 2:
        raise InputError(f"--at {text} is not a point. Write x and y in pixels, such as 16,8")
