"""`plan`: what a `train` command would do and cost, and what speaks against it."""

from __future__ import annotations

import inspect
import json
from typing import Annotated, Any

import typer

from . import options as o
from . import train

Strict = Annotated[bool, typer.Option("--strict/--no-strict", metavar="", help="End with 2 where a line warns.",
                                      show_default=False)]  # fmt: skip
Probe = Annotated[bool, typer.Option("--probe/--no-probe", metavar="", help="Time 20 steps on noise here.",
                                     show_default=False)]  # fmt: skip
UsdPerHour = Annotated[
    float | None, typer.Option("--usd-per-hour", min=0, help="What this machine costs, with --probe.",
                               show_default=False)
]  # fmt: skip
_OWN = {"strict": (Strict, False), "probe": (Probe, False), "usd_per_hour": (UsdPerHour, None)}


def register(app: typer.Typer) -> None:
    """Adds the command, with the options of `train` and its own."""
    of_train = inspect.signature(train.train, eval_str=True).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter(name, kind, default=value, annotation=hint) for name, (hint, value) in _OWN.items()]
    parameters = [parameter.replace(kind=kind) for parameter in (*of_train, *own)]
    plan.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app.command(epilog=o.WHERE_DEFAULTS_COME_FROM)(plan)


def plan(**given: Any) -> None:
    """What a `train` command would make and cost, and what speaks against it; --like alone compares with a model."""
    given = {name: value for name, value in given.items() if value is not None}
    as_json, strict, probed = given["as_json"], given.pop("strict"), given.pop("probe")
    usd_per_hour = given.pop("usd_per_hour", None)
    _require_probe(usd_per_hour, probed=probed)
    like = None if "match" in given else given.pop("like", None)
    request, computing, _ = train.divided(given)
    if like:
        from ..tables.models import model_row

        model_row(like)
    from ..experiment.run import Options
    from ..plan import draw_up
    from ..system.findings import require_good
    from .screen import Screen

    with Screen(quiet=as_json) as screen:
        found = draw_up(
            request, Options(**computing), screen, like=like, probed=probed, usd_per_hour=usd_per_hour
        )  # fmt: skip
    typer.echo(json.dumps(found.to_json()) if as_json else found.to_text())
    require_good(found.findings, strict=strict)


def _require_probe(usd_per_hour: float | None, *, probed: bool) -> None:
    """Raises InputError for a price without a time."""
    from ..errors import InputError

    if usd_per_hour is not None and not probed:
        raise InputError("--usd-per-hour needs a time to multiply; add --probe")
