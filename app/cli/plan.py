"""`plan`: report what a `train` command would make and cost, and which problems it has."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import options as o
from .examples import page
from .screen import result, result_json

Strict = Annotated[bool, typer.Option("--strict/--no-strict", metavar="", show_default=False,
                                      help="End with exit code 2 if a check warns. Default: off.")]  # fmt: skip
Probe = Annotated[bool, typer.Option("--probe/--no-probe", metavar="", show_default=False,
                                     help="Time 20 steps on noise on this machine. Default: off.")]  # fmt: skip
UsdPerHour = Annotated[
    float | None, typer.Option("--usd-per-hour", min=0, show_default=False,
                               help="State the price of this machine in USD per hour, with --probe. Default: none."),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command, with the options of `train` and its own."""
    app.command(**page("plan", o.WHERE_DEFAULTS_COME_FROM))(plan)


@o.takes(as_json=(o.AsJson, False), strict=(Strict, False), probe=(Probe, False), usd_per_hour=(UsdPerHour, None))
def plan(*, as_json: bool, strict: bool, probe: bool, usd_per_hour: float | None, **options: Any) -> None:
    """Report what a `train` command would make and cost, and which problems it has, without training.

    With --like and without --match, the model is also compared with another model at the same size.
    """
    from ..config.command import Command
    from ..tables.models import model_row

    _require_probe(usd_per_hour, probed=probe)
    given = o.given(options)
    like = None if "match" in given else given.pop("like", None)
    command = Command.of(given)
    if like:
        model_row(like)
    from ..system.findings import require_good
    from .screen import Screen

    with Screen(quiet=as_json) as screen:
        screen.stage("loading torch")
        from ..experiment.run import Options
        from ..plan.drawing import draw_up

        screen.stage("looking up the dataset, counting the model and timing it" if probe else "looking up the dataset")
        found = draw_up(command, Options.of(command), screen, like=like, probed=probe, usd_per_hour=usd_per_hour)
    result_json(found.to_json()) if as_json else result(found.to_text())
    require_good(found.findings, strict=strict)


def _require_probe(usd_per_hour: float | None, *, probed: bool) -> None:
    """Raise InputError for a price without a time."""
    from ..errors import InputError

    if usd_per_hour is not None and not probed:
        raise InputError("--usd-per-hour needs a measured time. Add --probe")
