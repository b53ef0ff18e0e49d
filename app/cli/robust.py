"""`robust`: test finished runs on corrupted test images, signals or fields."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..tables.sizes import named
from . import options as o
from .examples import page
from .own_code import require_used
from .screen import Screen, result, result_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..artifacts.runs import Run
    from ..experiment.corrupting import Asked, Corrupted
    from ..results.robust import Robustness

_option = partial(typer.Option, show_default=False)
Names = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        show_default=False,
        help="Name finished runs by ID, path or hf:// address, "
        "by settings such as model=vit_classic,size=10M, or by a study.",
    ),
]
Corruptions = Annotated[
    str | None,
    _option("--corruption", metavar="NAMES", help="Apply these corruptions: names and sets, separated by commas. Sets: "
            "benchmark (the 15 of ImageNet-C; frost needs --frost), primary (gaussian, shot and impulse noise; of "
            "signals, counting noise), histology, all (without histology). Default: benchmark for images, all for "
            "signals and fields."),
]  # fmt: skip
Severity = Annotated[
    str, _option("--severity", metavar="N-N", help="Apply these severities, such as 1-5, 3 or 1,5. Default: 1-5.")
]
Rows = Annotated[
    int | None,
    _option("--limit-test", min=1, help="Test on this many rows: a fixed part of the test set with all classes in "
            "equal shares. Default: all rows."),
]  # fmt: skip
Seed = Annotated[int, _option("--seed", min=0, help="Draw the corruptions by this seed. Default: 0.")]
At = Annotated[
    int | None,
    _option("--at", min=8, metavar="PIXELS", help="Resize images to this side before they are corrupted. Default: the "
            "side that they are stored at."),
]  # fmt: skip
FrostFolder = Annotated[
    Path | None,
    _option("--frost", metavar="FOLDER", help="Take the photographs of frost from this folder. Default: none, and "
            "frost is omitted from sets."),
]  # fmt: skip
CifarC = Annotated[
    Path | None,
    _option("--cifar-c", metavar="FOLDER", help="Read the published images of CIFAR-10-C or CIFAR-100-C from this "
            "folder. Default: isoscale corrupts the images."),
]  # fmt: skip
Like = Annotated[
    str | None,
    _option("--like", metavar="RUN", help="Print the mean corruption error against this run. Default: no mCE."),
]

_NOTE = (
    "The predictions for every row, corruption and severity are kept in _robust.parquet next to the run. If the "
    "command is interrupted, run it again: it computes what is missing."
)
_OF_SET = {
    "benchmark": "{} of the benchmark's 15 corruptions",
    "primary": "the {} primary corruption{s}",
    "histology": "{} of the 5 corruptions of histology",
    "all": "all {} corruptions",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("robust", _NOTE))(robust)


def robust(
    names: Names,
    corruption: Corruptions = None,
    severity: Severity = "1-5",
    limit_test: Rows = None,
    seed: Seed = 0,
    at: At = None,
    frost: FrostFolder = None,
    cifar_c: CifarC = None,
    like: Like = None,
    best: o.Best = False,
    ema: o.Ema = False,
    model: o.OwnModel = None,
    device: o.Device = None,
    threads: o.Threads = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Test finished runs on corrupted test inputs, and report the accuracy by corruption and severity."""
    given: dict[str, Any] = {"rows": limit_test, "seed": seed, "side": at, "frost": frost, "cifar_c": cifar_c}
    with Screen(quiet=as_json) as screen:
        runs = _runs(names, checkpoints, screen, model)
        reference = _one(like, _runs([like], checkpoints, screen, model)) if like else []
        require_used(model, *runs, *reference)
        chosen, severities = _corruptions(corruption, [*runs, *reference], cifar_c, frost), _severities(severity)
        _require_comparable(runs, reference, severities)
        from ..artifacts.which import chosen as chosen_weights
        from ..experiment import corrupting  # torch, which a wrong name above should not wait for
        from ..experiment.options import Options

        asked = corrupting.Asked(corruptions=chosen, severities=severities, **given)
        options, which = Options(device=device or "auto", threads=threads), chosen_weights(best=best, ema=ema)
        for run in (*runs, *reference):
            corrupting.require_inputs(run, asked, options)
        for note in () if as_json else _omitted(corruption, chosen, frost, cifar_c):
            screen.say(f"note: {note}")
        found = [corrupting.corrupt(run, asked, options, screen, which=which) for run in (*runs, *reference)]
    return _print(found, asked, which.name, with_reference=bool(reference), as_json=as_json)


def _runs(names: list[str], checkpoints: Path, screen: Screen, model: str | None) -> list[Run]:
    """Return the runs, each once. `model` is the file of those with a user's own model, which is asked for here."""
    from ..studies import compared
    from ..tables import own

    own.ask(model)
    screen.stage("looking for the runs")
    found: dict[Path, Run] = {}
    for name in names:
        named = compared.named([name], checkpoints, screen)
        for each in named.exclusions:
            screen.say(f"note: {each.line}")
        found |= {run.files.record: run for run in named.parts[name]}
    return [*found.values()]


def _one(name: str, runs: list[Run]) -> list[Run]:
    """Return the run that --like names. Raise InputError for several."""
    from ..errors import InputError

    if len(runs) != 1:
        raise InputError(f"--like {name} names {len(runs)} runs. Name one")
    return runs


def _require_comparable(runs: list[Run], reference: list[Run], severities: tuple[int, ...]) -> None:
    """Raise InputError for a run of --like on other data, and for severities without which there is no mCE."""
    from ..errors import InputError
    from ..tables.corruptions import SEVERITIES
    from ..tables.shape import spelled

    if reference and severities != SEVERITIES:
        raise InputError("--like needs severities 1 to 5, because the mCE is a sum over them. Omit --severity")
    for other in reference:
        for run in runs:
            its, theirs = ((each.config.dataset, spelled(each.config.stored_side)) for each in (run, other))
            if its != theirs:
                raise InputError(
                    f"--like {other.record.run_id} is on {theirs[0]} at {theirs[1]} px, and run {run.record.run_id} on "
                    f"{its[0]} at {its[1]} px. An mCE needs one test set"
                )


def _severities(text: str) -> tuple[int, ...]:
    """Return the severities in `1-5`, `3` or `1,5`. Raise InputError for others."""
    from ..errors import InputError
    from ..tables.corruptions import SEVERITIES

    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not {first, last or first} <= {*map(str, SEVERITIES)} or int(first) > int(last or first):
            raise InputError(
                f"--severity {text!r} is no list of severities. Use numbers from 1 to 5, such as 1-5 or 1,5"
            )
        found |= {*range(int(first), int(last or first) + 1)}
    return tuple(sorted(found))


def _corruptions(asked: str | None, runs: list[Run], cifar_c: Path | None, frost: Path | None) -> tuple[str, ...]:
    """Return the corruptions for these runs. Raise InputError for runs on several kinds of inputs."""
    from ..config.corruptions import names_of
    from ..config.effects import kind_of
    from ..errors import InputError

    kinds = sorted({kind_of(run.config.dataset) for run in runs})
    if len(kinds) > 1:
        raise InputError(f"the runs are on {' and '.join(f'{kind}s' for kind in kinds)}, which have no corruption in "
                         "common. Name runs on one kind of inputs")  # fmt: skip
    return names_of(asked, cifar_c, frost, kind=kinds[0], channels=[run.config.channels for run in runs])


def _omitted(
    asked: str | None, chosen: tuple[str, ...], frost: Path | None, cifar_c: Path | None
) -> Iterator[str]:  # fmt: skip
    """Yield which corruptions of the sets that are asked for cannot be computed, and why."""
    from ..config.corruptions import names_of
    from ..tables.corruptions import CORRUPTIONS

    if CORRUPTIONS[chosen[0]].kind != "image":
        return
    if asked in (None, "benchmark", "all") and "fog" in chosen and not frost and not cifar_c:
        yield "frost is omitted, because its photographs are not part of isoscale. Give them with --frost FOLDER"
    colours = [name for name in names_of(asked, cifar_c, frost, kind="image", channels=[3]) if name not in chosen]
    if colours:
        yield f"{' and '.join(colours)} need images of three channels, which not all runs have, and are omitted"


def _print(found: list[Corrupted], asked: Asked, weights: str, *, with_reference: bool, as_json: bool) -> None:
    from ..results import robust as answers

    results = [answers.robustness(each.clean, each.pairs, each.units) for each in found]
    reference = results.pop() if with_reference else None
    if reference:
        answers.require_one_test_set(found[-1].clean, [each.clean for each in found])
    objects = []
    for each, its in zip(found, results, strict=False):
        ce = answers.against(its, reference) if reference else None
        objects.append(_object(each, its, asked, weights) | ({"like": _like(found[-1], ce)} if ce else {}))
        if not as_json:
            result("\n".join(_lines(each, its, asked, weights, ce)))
    if as_json:
        result_json(objects)


def _like(reference: Corrupted, ce: dict[str, Any]) -> dict[str, Any]:
    return {"run_id": reference.run.record.run_id, **ce}


def _object(each: Corrupted, its: Robustness, asked: Asked, weights: str) -> dict[str, Any]:
    record = each.run.record
    about = {"run_id": record.run_id, "model": record.model, "size": record.size, "dataset": record.dataset}
    sources = sorted({pair.source for pair in each.pairs})
    return about | {"weights": weights, "seed": asked.seed, "side": each.side, "sources": sources, **its.to_json()}


def _lines(
    each: Corrupted, its: Robustness, asked: Asked, weights: str, ce: dict[str, Any] | None
) -> list[str]:  # fmt: skip
    """Return the table of a run, one line per corruption, and the means with their intervals."""
    from ..system.columns import columns
    from ..system.printable import printable
    from ..tables.corruptions import CORRUPTIONS

    about, show = each.run.record, _percent if its.metric == "top1" else _number
    heads = ["corruption", *(f"severity {severity}" for severity in asked.severities), "mean"]
    rows = [
        [name, *(show(value) for value in found.values()), show(sum(found.values()) / len(found))]
        for name, found in its.values.items()
    ]
    metric = "accuracy in %" if its.metric == "top1" else "RMSE"
    unit = "samples" if "signal" in {CORRUPTIONS[name].kind for name in its.values} else "px"
    groups = f" in {its.groups:,} groups" if its.groups else ""
    what = named(about.model, about.size)
    lines = [
        f"run {about.run_id}: {what} on {about.dataset}, {weights} weights, {metric}, n {its.n:,} "
        f"test rows{groups}, {_images(asked, f'{each.side} {unit}')}",
        columns(heads, rows),
        f"clean: {_with_interval(its.clean, its.clean_interval, show)}",
    ]
    lines += [
        f"mean over {_OF_SET[name].format(mean.corruptions, s='s' * (mean.corruptions > 1))} at 5 severities: "
        f"{_with_interval(mean.value, mean.interval, show)}"
        for name, mean in its.means.items()
    ]
    if ce and ce["mce"] is not None:
        relative = ce["relative_mce"]
        known = f"{_percent(relative)} %" if relative is not None else "undefined (a corruption does not harm that run)"
        lines.append(f"mCE: {_percent(ce['mce'])} %, relative mCE: {known}, over {ce['corruptions']} corruptions")
    return [*lines, f"predictions: {printable(each.run.files.robust)}"]


def _images(asked: Asked, side: str) -> str:
    """Return where the corrupted inputs come from."""
    from ..system.printable import printable

    return f"published images in {printable(asked.cifar_c)}" if asked.cifar_c else (
        f"corrupted at {side}, seed {asked.seed}"
    )  # fmt: skip


def _with_interval(value: float, interval: tuple[float, float] | None, show: Any) -> str:
    return show(value) + (f" [{show(interval[0])}, {show(interval[1])}]" if interval else "")


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _number(value: float) -> str:
    return f"{value:.4g}"
