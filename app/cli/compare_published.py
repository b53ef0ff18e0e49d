"""`compare` of LANL's published test results: which arguments are such files, and the answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .screen import result, result_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_option = partial(typer.Option, show_default=False)
Best = Annotated[
    bool,
    _option("--best/--no-best", metavar="", help="Compare the tests of the best checkpoints in LANL's published "
            "files. Default: those of the final weights."),
]  # fmt: skip


def is_answered(
    names: Sequence[str], asked: Mapping[str, Any], others: Mapping[str, Any], form: str, *, best: bool, as_json: bool
) -> bool:
    """Print the comparison of published results, one arm per argument. Return False if no argument is one.

    Raises InputError for an option without effect on them, and for --best without them.
    """
    from ..errors import InputError

    if not _are_published(names):
        if best:
            raise InputError("--best is for LANL's published files, and none are named. Name a folder per model")
        return False
    _require_alone(asked, others)
    from ..report import unpaired as shown
    from ..results import unpaired
    from ..studies.legacy import published

    found = unpaired.compare(published.arms(names, best=best), delta=asked["delta"])
    result_json(found.to_json()) if as_json else result(shown.shown(found, form))
    return True


def _are_published(names: Sequence[str]) -> bool:
    """Return whether an argument is a folder or a file of LANL's published results."""
    from pathlib import Path

    if not any(Path(name).is_dir() or name.endswith(".csv") for name in names):
        return False
    from ..studies.legacy import published

    return published.are_published(names)


def _require_alone(asked: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Raise InputError for an option without effect on published results, which are compared by log MSE."""
    from ..errors import InputError

    given = {**others, "--usd-per-hour": asked["usd_per_hour"] is not None}
    given |= {"--target": asked["target"] != "examples", "--metric": [m for m in others["--metric"] if m != "log-mse"]}
    if names := [name for name, value in given.items() if value]:
        raise InputError(
            f"{names[0]} has no effect on published results, which are compared by log MSE and as runs. Omit it"
        )
