"""`compare`: report which of several architectures is better, by how much, and whether the difference is real."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import compare_power as of_power
from . import options as o
from .examples import page
from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..results.arms import Chosen
    from ..results.comparison import Comparison
    from ..results.looks import Look
    from ..studies.compared import StudyRuns

_option = partial(typer.Option, show_default=False)
_MARGINS = "1 point of a rate, 5 % of the RMSE, 0.10 in log MSE, 0.02 nats of NLL, 0.005 of Brier, none of others"
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUNS]...", show_default=False, help="Name runs by ID, path or hf:// address, by settings "
                   "such as model=vit_classic,size=10M, or by a study (its file, or its name). Each architecture "
                   "among them is compared with the others. Default: the runs of --dataset."),
]  # fmt: skip
Dataset = Annotated[
    str | None,
    _option("--dataset", help="Compare the runs of this dataset. Default: the dataset of the named runs, or of the "
            "newest finished run."),
]  # fmt: skip
MetricName = Annotated[
    str | None,
    _option("--metric", help="Compare by this metric. Choices: top1, top3, top5, nll, brier, balanced-accuracy, "
            "macro-f1, ece; for a regression rmse, log-mse, mae, r2. Default: top1, or rmse for a regression."),
]  # fmt: skip
Delta = Annotated[
    float | None,
    _option("--delta", help=f"State the difference that matters, in points for a rate. Default: {_MARGINS}."),
]
TargetName = Annotated[
    str,
    _option("--target", help="Answer for new seeds and new test examples, or for new seeds on this test set. Choices: "
            "examples, test-set. Default: examples."),
]  # fmt: skip
Looks = Annotated[
    str | None,
    _option("--looks", metavar="K,K", help="Plan the first and all later looks at a study at these numbers of seeds, "
            "such as 3,5,10. Default: the stored plan, or one look at the complete study."),
]  # fmt: skip
Form = Annotated[
    str,
    _option("--format", help="Print the answer in this format. Choices: text, md, latex, csv. Default: text."),
]
UsdPerHour = Annotated[
    float | None,
    _option("--usd-per-hour", min=0, help="State the price of a machine in USD per hour, for runs that have none in "
            "their record. Default: none."),
]  # fmt: skip

_WORDS = (
    "Verdicts: better, worse, equivalent (within --delta), undecided, one seed, identical. The command ends with exit "
    "code 0 whatever the verdict, and with 2 if the runs are not comparable."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("compare", _WORDS))(compare)


def compare(
    names: Names = None,
    dataset: Dataset = None,
    metric: MetricName = None,
    delta: Delta = None,
    target: TargetName = "examples",
    looks: Looks = None,
    form: Form = "text",
    usd_per_hour: UsdPerHour = None,
    power: of_power.Power = False,
    like: of_power.Like = None,
    sd: of_power.Sd = None,
    examples_sd: of_power.ExamplesSd = None,
    examples: of_power.Examples = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Report which architecture is better, by how much, and whether the difference is real.

    Seeds and test examples are both samples: the interval covers new seeds and, by default, new test examples.
    """
    asked: dict[str, Any] = {"metric": metric, "delta": delta, "target": target, "usd_per_hour": usd_per_hour}
    given = {"like": like, "sd": sd, "examples_sd": examples_sd, "examples": examples}
    _require(asked, form=form)
    if power:
        _require_alone(names=names, looks=looks)
        return of_power.power(asked, given, _dataset(dataset), checkpoints, as_json=as_json)
    of_power.require_with_power(given)
    found = _compared(names or (), _dataset(dataset), asked, looks, checkpoints, quiet=as_json)
    if as_json:
        return result_json(found.to_json())
    from ..report import verdicts

    return result(verdicts.shown(found, form))


def _compared(
    names: Sequence[str], dataset: str | None, asked: dict[str, Any], looks: str | None, checkpoints: Path, *,
    quiet: bool,
) -> Comparison:  # fmt: skip
    """Return the comparison of the runs that the arguments name."""
    with Screen(quiet=quiet) as screen:
        screen.stage("looking for the runs")
        from ..artifacts.runs import indexed

        chosen, study = _chosen(names, dataset, checkpoints, screen)
        look = _look(study, chosen, looks)
        screen.stage("comparing")
        from ..results.comparing import Asked, compare

        return compare(chosen, indexed(checkpoints, lambda _: None), asked=Asked(**asked), look=look)


def _require(asked: dict[str, Any], *, form: str) -> None:
    """Raise InputError for an invalid value of an option."""
    from ..errors import InputError
    from ..tables.ranges import check_known

    check_known("--target", asked["target"], ("examples", "test-set"))
    check_known("--format", form, ("text", "md", "latex", "csv"))
    if asked["delta"] is not None and not 0 < asked["delta"] < float("inf"):
        raise InputError(f"--delta {asked['delta']:g} is not a difference that matters. Use a number above 0")


def _require_alone(*, names: list[str] | None, looks: str | None) -> None:
    """Raise InputError for what --power does not use."""
    from ..errors import InputError

    if names:
        raise InputError(f"--power compares nothing, and {names[0]} is named. Name pilot runs with --like")
    if looks:
        raise InputError("--looks has no effect with --power. Omit it")


def _dataset(asked: str | None) -> str | None:
    from ..tables.datasets import dataset_name

    return dataset_name(asked) if asked else None


def _chosen(names: Any, dataset: str | None, checkpoints: Path, screen: Screen) -> tuple[Chosen, StudyRuns | None]:
    """Return the arms of the arguments, or of a dataset without any, and the study among the arguments."""
    import dataclasses

    from ..results import arms, requested

    if not names:
        runs, others = requested.of_dataset(dataset, checkpoints, screen.say)
        found = arms.chosen({"": runs}, dataset)
        return dataclasses.replace(found, exclusions=(*found.exclusions, *others)), None
    from ..studies import compared

    named = compared.named(names, checkpoints, screen)
    found = arms.chosen(named.parts, dataset)
    return dataclasses.replace(found, exclusions=(*found.exclusions, *named.exclusions)), named.study


def _look(study: StudyRuns | None, chosen: Chosen, looks: str | None) -> Look | None:
    """Return the look at a study, which is counted, or None for named runs."""
    from ..errors import InputError
    from ..results import looks as looking

    if study is None:
        if looks:
            raise InputError("--looks plans the looks at a study, and no study is named. Name one, or omit --looks")
        return None
    asked = looking.parsed(looks) if looks else None
    arms, dataset = chosen.arms, chosen.arms[0].config.dataset
    seeds = min(len({(run.config.seed, run.config.repeat) for run in arm.runs}) for arm in arms)
    ids = [run_id for arm in arms for run_id in arm.run_ids]
    return looking.take(study.folder, dataset, ids, seeds=seeds, complete=study.complete(dataset), asked=asked)
