"""`compare --power`: how many seeds of each model a comparison needs, before it is made."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from pathlib import Path

    from ..results.power import Spread

_option = partial(typer.Option, show_default=False, rich_help_panel="With --power")
Power = Annotated[
    bool,
    _option("--power/--no-power", metavar="", help="Report how many seeds detect --delta with 80 % power, and compare "
            "nothing. Default: off."),
]  # fmt: skip
Like = Annotated[
    list[str] | None,
    _option("--like", metavar="RUNS", help="Take the variances from these finished pilot runs, named as for a "
            "comparison; repeat it for more runs. Default: the stated ones."),
]  # fmt: skip
Sd = Annotated[
    float | None,
    _option("--sd", min=0, help="State the standard deviation of a run's result over seeds, in points for a rate. "
            "Default: that of --like."),
]  # fmt: skip
ExamplesSd = Annotated[
    float | None,
    _option("--examples-sd", min=0, help="State the standard deviation over test examples of the models' expected "
            "difference on one example, in points for a rate. Default: that of --like, else not counted."),
]  # fmt: skip
Examples = Annotated[
    int | None,
    _option("--examples", min=2, help="State the number of test examples. Default: that of the test split of "
            "--dataset."),
]  # fmt: skip
OPTIONS = ("like", "sd", "examples_sd", "examples")


def require_with_power(given: dict[str, Any]) -> None:
    """Raise InputError for an option that has an effect with --power only."""
    from ..errors import InputError

    if names := [name for name in OPTIONS if given[name] is not None and given[name] != []]:
        raise InputError(f"--{names[0].replace('_', '-')} has an effect with --power only. Add --power, or omit it")


def power(
    asked: dict[str, Any], given: dict[str, Any], dataset: str | None, checkpoints: Path, *, as_json: bool
) -> None:
    """Print the seeds that a comparison needs."""
    with Screen(quiet=as_json) as screen:
        screen.stage("planning")
        from ..results import power as planning

        found = planning.plan(_spread(asked, given, dataset, checkpoints, screen), asked["delta"])
    result_json(found.to_json()) if as_json else result(found.text)


def _spread(
    asked: dict[str, Any], given: dict[str, Any], dataset: str | None, checkpoints: Path, screen: Screen
) -> Spread:
    """Return the variances of pilot runs, or the stated ones."""
    from ..errors import InputError
    from ..results import arms, power

    if given["like"]:
        if stated := [name for name in OPTIONS[1:] if given[name] is not None]:
            raise InputError(f"--like and --{stated[0].replace('_', '-')} both give the variances. Omit one of them")
        from ..studies import compared

        parts = compared.named(given["like"], checkpoints, screen).parts
        pilots = arms.chosen(parts, dataset, fewest=1).arms
        if len(pilots) > 2:
            raise InputError(f"--like names {len(pilots)} architectures. Name one or two")
        return power.of_runs(pilots, asked["metric"], asked["usd_per_hour"])
    if given["sd"] is None:
        raise InputError("--power needs the variance over seeds. Name pilot runs with --like, or state it with --sd")
    if asked["usd_per_hour"] is not None:
        raise InputError("--usd-per-hour needs the time of a run. Name pilot runs with --like, or omit it")
    n = given["examples"] or _test_rows(dataset)
    return power.stated(asked["metric"], sd=given["sd"], examples_sd=given["examples_sd"], n=n)


def _test_rows(dataset: str | None) -> int | None:
    """Return the number of test rows of a dataset of the table, or None."""
    from ..tables.datasets import DATASETS

    row = DATASETS.get(dataset or "")
    if row is None:
        return None
    return row.test_rows or round(row.train_rows * row.test_fraction) or None
