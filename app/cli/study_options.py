"""The options of `study` that no single run decides, and those of `train` that make it a study."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as o
from . import study_folds

_option = partial(typer.Option, show_default=False)
_flag = partial(_option, metavar="")
COMMANDS = ("run", "status", "best", "clean")
MOST_WORKERS = 1000  # an array of Slurm has 1,001 tasks at most, unless its cluster allows more
File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", show_default=False, help="Read the runs from this CSV or YAML file, or from a "
                   "data URL that contains one. Default: the runs of --cross."),
]  # fmt: skip
Cross = Annotated[
    list[str] | None,
    _option("--cross", metavar="NAME=A,B", help="Train every combination of these values of a setting, such as "
            "model=vit_classic,vit_differential or seed=0-2; repeat it for more settings. Default: none."),
]  # fmt: skip
OnlyPlan = Annotated[
    bool, _flag("--plan/--no-plan", help="Print the runs and what they cost, and train nothing. Default: off.")
]
Yes = Annotated[bool, _flag("--yes/--no-yes", help="Train more than 100 runs without a question. Default: off.")]
Work = Annotated[
    bool, _flag("--work/--no-work", help="Never ask a question, as a worker on another machine does. Default: off.")
]
RetryFailed = Annotated[
    bool, _flag("--retry-failed/--no-retry-failed", help="Train failed runs again, whatever they failed of. Default: "
                "twice, if they did not diverge."),
]  # fmt: skip
Jobs = Annotated[
    int | None,
    _option("--jobs", metavar="N", min=1, help="Train this many runs at once on this machine, each on one GPU or on a "
            "share of the cores. Default: 1, or as many as --jobs-per-device allows."),
]  # fmt: skip
JobsPerDevice = Annotated[
    int | None,
    _option("--jobs-per-device", metavar="N", min=1, max=64, help="Train this many runs at once on each GPU, such as "
            "small models that do not fill it. Each has 1/N of its memory. Without a GPU, it acts as --jobs. "
            "Default: 1."),
]  # fmt: skip
Ranks = Annotated[
    int, _option("--ranks", metavar="N", min=1, help="Train each run with this many processes, one for each GPU, as "
                 "torchrun starts them. Default: 1."),
]  # fmt: skip
Claim = Annotated[
    float | None, _option("--claim", metavar="TIME", parser=o.interval, help="Let another worker take over a run if "
                          "its worker does not answer for this time, such as 90s or 5m. Default: 2m."),
]  # fmt: skip
MixedVersions = Annotated[
    bool, _flag("--mixed-versions/--one-version", help="Allow runs of other versions of isoscale or torch in the "
                "study. Default: off."),
]  # fmt: skip
MaxHours = Annotated[
    float | None, _option("--max-hours", min=0, help="Save the state and stop once all runs of the study took this "
                          "many hours, in all commands together. Default: no limit."),
]  # fmt: skip
MaxUsd = Annotated[
    float | None, _option("--max-usd", min=0, help="Save the state and stop once all runs of the study cost this many "
                          "USD, with --usd-per-hour. Default: no limit."),
]  # fmt: skip
Legacy = Annotated[
    str | None,
    _option("--legacy", metavar="SYSTEM", help="Also write the finished runs in the files of an original system, into "
            "the folder of the study. Choices: lanl, zoo, diffraction. Default: none."),
]  # fmt: skip
Launch = Annotated[
    str | None,
    _option("--launch", metavar="PLACE", help="Print the text that starts workers of this study at a place, and train "
            "nothing. `launch PLACE -- study` has more options, such as --image and --hours. Choices: docker, vast, "
            "runpod, hfjobs, skypilot, slurm. Default: off."),
]  # fmt: skip
Workers = Annotated[
    int | None, _option("--workers", metavar="N", min=1, max=MOST_WORKERS, help="Let --launch start this many workers, "
                        "each on one machine. Default: 1."),
]  # fmt: skip
Seeds = Annotated[
    str | None,
    _option("--seeds", metavar="A,B|A-B", rich_help_panel="Recipe",
            help="Train one run for each of these seeds, such as 0-4. Default: the one of --seed."),
]  # fmt: skip
OF_TRAIN: dict[str, tuple[Any, Any]] = {
    "seeds": (Seeds, None), "repeats": (study_folds.Repeats, None), "as_json": (o.AsJson, False),
}  # fmt: skip
OF_EVERY_COMMAND: dict[str, tuple[Any, Any]] = {
    "file": (File, None), "cross": (Cross, None), "repeats": (study_folds.Repeats, None), "legacy": (Legacy, None),
}  # fmt: skip
OF_A_RUN: dict[str, tuple[Any, Any]] = {
    "plan": (OnlyPlan, False), "yes": (Yes, False), "work": (Work, False), "retry_failed": (RetryFailed, False),
    "jobs": (Jobs, None), "jobs_per_device": (JobsPerDevice, None), "ranks": (Ranks, 1), "claim": (Claim, None),
    "mixed_versions": (MixedVersions, False), "max_hours": (MaxHours, None), "max_usd": (MaxUsd, None),
    "launch": (Launch, None), "workers": (Workers, None),
}  # fmt: skip
OF_RUN = OF_EVERY_COMMAND | OF_A_RUN | {"as_json": (o.AsJson, False)}
