"""`compare`: report which of several architectures is better, by how much, and whether the difference is real."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import compare_power as of_power
from . import compare_published as of_published
from . import options as o
from .examples import page
from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..report.answer import Answer
    from ..results.arms import Chosen
    from ..results.comparing import Draft
    from ..results.comparison import Comparison
    from ..results.family import Family
    from ..studies.compared import StudyRuns

_option = partial(typer.Option, show_default=False)
_MARGINS = "1 point of a rate, 5 % of the RMSE, 0.10 in log MSE, 0.02 nats of NLL, 0.005 of Brier, none of others"
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUNS]...", show_default=False, help="Name runs by ID, path or hf:// address, by settings "
                   "such as model=vit_classic,size=10M, by a study (its file, or its name), or by a folder of "
                   "LANL's published results per model. Each architecture among them is compared with the others. "
                   "Default: the runs of --dataset."),
]  # fmt: skip
Datasets = Annotated[
    list[str] | None,
    _option("--dataset", metavar="NAME", help="Compare the runs of this dataset; repeat it for several, which are one "
            "family of comparisons. Default: the datasets of the named runs, or that of the newest finished run."),
]  # fmt: skip
Metrics = Annotated[
    list[str] | None,
    _option("--metric", metavar="NAME", help="Compare by this metric; repeat it for several, which are one family of "
            "comparisons. Choices: top1, top3, top5, nll, brier, balanced-accuracy, macro-f1, ece, ece-debiased; after "
            "`robust` noise, corrupted, slope; for a regression rmse, log-mse, mae, r2. Default: top1, or rmse for a "
            "regression."),
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
    dataset: Datasets = None,
    metric: Metrics = None,
    delta: Delta = None,
    target: TargetName = "examples",
    looks: Looks = None,
    form: Form = "text",
    usd_per_hour: UsdPerHour = None,
    best: of_published.Best = False,
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
    asked: dict[str, Any] = {"delta": delta, "target": target, "usd_per_hour": usd_per_hour}
    given = {"like": like, "sd": sd, "examples_sd": examples_sd, "examples": examples}
    datasets, metrics = _datasets(dataset), [*dict.fromkeys(metric or ())]
    _require(asked, form=form)
    others = {"--dataset": datasets, "--metric": metrics, "--looks": looks, "--power": power}
    if of_published.is_answered(names or (), asked, others, form, best=best, as_json=as_json):
        return None
    if power:
        _require_alone(names=names, looks=looks, datasets=datasets, metrics=metrics)
        asked |= {"metric": metrics[0] if metrics else None}
        return of_power.power(asked, given, datasets[0] if datasets else None, checkpoints, as_json=as_json)
    of_power.require_with_power(given)
    found = _compared(names or (), datasets, metrics, asked, looks, checkpoints, quiet=as_json)
    if as_json:
        return result_json(found.to_json())
    from ..report import families

    return result(families.shown(found, form))


def answered(
    names: Sequence[str], *, checkpoints: str | Path = "checkpoints", dataset: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None, looks: str | None = None, **asked: Any,
) -> Answer:  # fmt: skip
    """Return the answer of `compare` to a Python program. Raises InputError, also for an unknown option."""
    from pathlib import Path

    from ..errors import InputError
    from ..report.answer import Answer

    given = {"delta": None, "target": "examples", "usd_per_hour": None}
    if strange := sorted(asked.keys() - given.keys()):
        options = ", ".join(["dataset", "metric", "looks", *given])
        raise InputError(f"compare has no option {strange[0]}. Its options: {options} and checkpoints")
    given |= asked
    _require(given, form="text")
    datasets, metrics = ([each] if isinstance(each, str) else [*(each or ())] for each in (dataset, metric))
    return Answer(_compared(names, _datasets(datasets), metrics, given, looks, Path(checkpoints), quiet=True))


def _compared(
    names: Sequence[str], datasets: Sequence[str], metrics: Sequence[str], asked: dict[str, Any], looks: str | None,
    checkpoints: Path, *, quiet: bool,
) -> Comparison | Family:  # fmt: skip
    """Return the comparison of the runs that the arguments name, or that of each dataset and metric."""
    with Screen(quiet=quiet) as screen:
        screen.stage("looking for the runs")
        from ..artifacts.runs import indexed

        choices, notes, study = _chosen(names, datasets, checkpoints, screen)
        screen.stage("comparing")
        from ..results import family
        from ..results.comparing import Asked, of_family

        drafts = family.drafts(choices, Asked(**asked), metrics)
        found = of_family(_looked(drafts, study, looks), indexed(checkpoints, lambda _: None))
        several = len(found) > 1 or notes
        return family.Family(comparisons=tuple(found), notes=tuple(notes)) if several else found[0]


def _require(asked: dict[str, Any], *, form: str) -> None:
    """Raise InputError for an invalid value of an option."""
    from ..errors import InputError
    from ..tables.ranges import check_known

    check_known("--target", asked["target"], ("examples", "test-set"))
    check_known("--format", form, ("text", "md", "latex", "csv"))
    if asked["delta"] is not None and not 0 < asked["delta"] < float("inf"):
        raise InputError(f"--delta {asked['delta']:g} is not a difference that matters. Use a number above 0")


def _require_alone(
    *, names: list[str] | None, looks: str | None, datasets: Sequence[str], metrics: Sequence[str]
) -> None:
    """Raise InputError for what --power does not use."""
    from ..errors import InputError

    if names:
        raise InputError(f"--power compares nothing, and {names[0]} is named. Name pilot runs with --like")
    if looks:
        raise InputError("--looks has no effect with --power. Omit it")
    for option, values in (("dataset", datasets), ("metric", metrics)):
        if len(values) > 1:
            raise InputError(f"--power plans for one --{option}, and {len(values)} are given. Give one of them")


def _datasets(asked: Sequence[str] | None) -> list[str]:
    from ..tables.datasets import dataset_name

    return [*dict.fromkeys(map(dataset_name, asked or ()))]


def _chosen(
    names: Sequence[str], datasets: Sequence[str], checkpoints: Path, screen: Screen
) -> tuple[list[Chosen], list[str], StudyRuns | None]:
    """Return the arms of each dataset, notes on datasets that are not compared, and the study among the arguments."""
    import dataclasses

    from ..results import arms, family, requested

    if not names:
        found: list[Chosen] = []
        wanted: list[str | None] = [*datasets] or [None]
        for dataset in wanted:
            runs, others = requested.of_dataset(dataset, checkpoints, screen.say)
            chosen = arms.chosen({"": runs}, dataset)
            found.append(dataclasses.replace(chosen, exclusions=(*chosen.exclusions, *others)))
        return found, [], None
    from ..studies import compared

    named = compared.named(names, checkpoints, screen)
    found, notes = family.chosen(named.parts, datasets)
    if len(found) > 1:
        return found, [*notes, *(each.line for each in named.exclusions)], named.study
    exclusions = (*found[0].exclusions, *named.exclusions)
    return [dataclasses.replace(found[0], exclusions=exclusions)], notes, named.study


def _looked(drafts: Sequence[Draft], study: StudyRuns | None, looks: str | None) -> list[Draft]:
    """Return the drafts with the look at each dataset of a study, which is counted; of named runs as they are."""
    import dataclasses

    from ..errors import InputError
    from ..results import looks as looking

    if study is None:
        if looks:
            raise InputError("--looks plans the looks at a study, and no study is named. Name one, or omit --looks")
        return [*drafts]
    asked = looking.parsed(looks) if looks else None
    return [
        dataclasses.replace(
            each,
            look=looking.of_arms(study.folder, each.chosen, seeds=study.seeds, complete=study.complete, asked=asked),
        )
        for each in drafts
    ]
