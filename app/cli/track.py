"""`track`: send the curves of a run to a tracker."""

from __future__ import annotations

from typing import Annotated

import typer

from ..config.settings import Keeping, options_of
from . import options as o
from .examples import page
from .screen import note, result_json, result_line

To = Annotated[
    str,
    typer.Option("--to", metavar="NAME[+NAME]", show_default=False, help="Send the curves to these trackers, joined by "
                 "+. Names: trackio, wandb, tensorboard. Default: none, so name one."),
]  # fmt: skip
Every = Annotated[int | None, o.option(options_of(Keeping)["track_every"])]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name a run by its ID, its folder, or one of its files.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("track"))(track)


def track(
    run: RunName,
    to: To,
    track_every: Every = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Send the curves and test results of a run to a tracker, or what the tracker lacks of them."""
    from ..config.settings import checked
    from ..sharing import mirrored, named
    from ..tables.trackers import names_in
    from .screen import Screen

    fields = options_of(Keeping)
    given = fields["track_every"].default if track_every is None else track_every
    every = checked(fields, {"track_every": given})["track_every"]
    found, names = named.run_of(run, checkpoints, note), names_in(to)
    mirrored.require_installed(names)
    sent = []
    with Screen() as screen:
        for name in names:
            screen.stage(f"sending run {found.record.run_id} to {name}")
            sent.append(mirrored.sent(found, name, every=every))
    if as_json:
        result_json([each.to_json() for each in sent])
    for each in () if as_json else sent:
        result_line(each)
