"""The options of `sweep` that no single trial decides."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as o
from . import study_options

_option = partial(typer.Option, show_default=False)
COMMANDS = ("run", "status", "top", "promote", "verify")
File = Annotated[
    Path, typer.Argument(metavar="FILE", show_default=False, help="Read the sweep from this YAML file of W&B's schema, "
                         "or from a data URL that contains one."),
]  # fmt: skip
Number = Annotated[
    int, typer.Argument(metavar="N", min=0, show_default=False, help="Promote the trial with this number.")
]
SweepSeed = Annotated[
    int | None, _option("--sweep-seed", metavar="N", min=0, max=2**63 - 1, help="Draw other trials; the seed of the "
                        "trainings is that of --seed. Default: 0."),
]  # fmt: skip
Trials = Annotated[
    int | None, _option("--trials", metavar="N", min=1, max=100_000, help="Stop after this many trials of the sweep, "
                        "in all commands together. Default: the file's run_cap, else all of a grid."),
]  # fmt: skip
Models = Annotated[
    str | None, _option("--models", metavar="A,B", help="Search for each of these models with the same trials, and "
                        "compare what the searches reached. Default: one search, for --model."),
]  # fmt: skip
Into = Annotated[
    Path | None, _option("--into", metavar="FILE.csv", help="Write the best settings of each model into this study "
                         "file, with --models. Default: none."),
]  # fmt: skip
MaxHours = Annotated[
    float | None, _option("--max-hours", min=0, help="Save the state and stop once all trials of the sweep took this "
                          "many hours, in all commands together; with --models, the trials of all models. "
                          "Default: no limit."),
]  # fmt: skip
MaxUsd = Annotated[
    float | None, _option("--max-usd", min=0, help="Save the state and stop once all trials of the sweep cost this "
                          "many USD, with --usd-per-hour; with --models, the trials of all models. Default: no "
                          "limit."),
]  # fmt: skip
Count = Annotated[
    int, _option("--count", metavar="N", min=1, help="Print this many trials, the best one first. Default: 3.")
]
OF_EVERY_COMMAND: dict[str, tuple[Any, Any]] = {"file": (File, ...), "sweep_seed": (SweepSeed, None)}
OF_RUN: dict[str, tuple[Any, Any]] = {
    "trials": (Trials, None), "models": (Models, None), "into": (Into, None),
    "jobs": (study_options.Jobs, None), "jobs_per_device": (study_options.JobsPerDevice, None),
    "ranks": (study_options.Ranks, 1), "claim": (study_options.Claim, None),
    "mixed_versions": (study_options.MixedVersions, False),
    "max_hours": (MaxHours, None), "max_usd": (MaxUsd, None), "as_json": (o.AsJson, False),
}  # fmt: skip
