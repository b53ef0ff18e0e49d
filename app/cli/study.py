"""`study`: a table of runs, planned and completed by one command, and how far it is."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .examples import group, page
from .screen import note, result, result_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..studies.cells import Cell
    from ..studies.costing import Cost
    from ..studies.folder import StudyFiles
    from ..studies.progress import Progress
    from ..studies.worker import Worker
    from .screen import Screen

_option = partial(typer.Option, show_default=False)
_flag = partial(_option, metavar="")
File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", show_default=False, help="Read the runs from this CSV or YAML file. Default: the "
                   "runs of --cross."),
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
_OPTIONS: dict[str, tuple[Any, Any]] = {"file": (File, None), "cross": (Cross, None), "legacy": (Legacy, None)}
_UNASKED = 100  # runs
COMMANDS = ("run", "status")


def register(app: typer.Typer) -> None:
    """Add the group. `study FILE` is `study run FILE`, as `spelling` makes it."""
    study = typer.Typer(help="Train a table of runs, and report how far it is.", no_args_is_help=True, **group("study"))
    study.command(**page("study run", o.WHERE_DEFAULTS_COME_FROM))(run)
    study.command(**page("study status"))(status)
    app.add_typer(study, name="study")


@o.takes(
    **_OPTIONS, plan=(OnlyPlan, False), yes=(Yes, False), work=(Work, False), retry_failed=(RetryFailed, False),
    max_hours=(MaxHours, None), max_usd=(MaxUsd, None), as_json=(o.AsJson, False),
)  # fmt: skip
def run(*, plan: bool, yes: bool, work: bool, retry_failed: bool, as_json: bool, **options: Any) -> None:
    """Train every run of a study that is not finished, one after the other.

    A CSV has settings in its header, such as model,seed, and one run per line. A YAML has settings of every run in
    `base`, axes in `cross` and further runs in `runs`. A setting in the file overrides the same option of this command.

    If it is interrupted, run the same command again: it skips finished runs and resumes the others.
    """
    from .screen import Screen

    with Screen(quiet=as_json) as screen:
        from ..studies import progress
        from ..studies.budget import Budget
        from ..studies.worker import Worker

        budget = Budget(hours=options.pop("max_hours", None), usd=options.pop("max_usd", None))
        cells, checkpoints = _cells(options, screen)
        budget.require(cells)
        found = progress.of_cells(cells, checkpoints, screen.say)
        left = [each for each in found if not each.done]
        if plan or left:  # torch is not loaded for a study that is finished
            _tell_costs(found, screen)
    if plan:
        return _show(found, as_json=as_json)
    _keep(found, checkpoints, options, note)
    if not left:
        _write_legacy(found, checkpoints, options)
        return _show(found, as_json=as_json)
    _require_consent(len(left), asks=not (yes or work))
    worker = Worker(
        cells, checkpoints, note, retry_failed=retry_failed, max_minutes=options.get("max_minutes"), budget=budget
    )
    try:
        return _complete(worker, as_json=as_json)
    finally:
        _keep(found := worker.progress(), checkpoints, options, note)
        _tell_totals(found)
        _write_legacy(found, checkpoints, options)


@o.takes(**_OPTIONS, as_json=(o.AsJson, False))
def status(*, as_json: bool, **options: Any) -> None:
    """Report how far every run of a study is, from the files of the runs."""
    from .screen import Screen

    with Screen(quiet=as_json) as screen:
        from ..studies import progress

        cells, checkpoints = _cells(options, screen)
        found = progress.of_cells(cells, checkpoints, screen.say)
    _keep(found, checkpoints, options)
    _write_legacy(found, checkpoints, options)
    _show(found, as_json=as_json)


def _cells(options: dict[str, Any], screen: Screen) -> tuple[list[Cell], Path]:
    """Return the cells of a study, and the folder of their runs."""
    from ..errors import InputError
    from ..studies import axes, cells, rows

    given = {name: value for name, value in o.given(options).items() if name != "max_minutes"}
    system = given.pop("legacy", None)
    file, cross = given.pop("file", None), axes.of_options(given.pop("cross", None) or ())
    if not file and not cross:
        raise InputError("the study has no runs. Give a CSV or YAML file, or axes such as --cross seed=0-2")
    screen.stage("reading the study")
    found = rows.of_file(file, options=given, axes=cross) if file else rows.of_axes(cross, given)
    checkpoints: Path = given["checkpoints"]
    resolved = cells.resolved(found, screen, checkpoints=checkpoints)
    if system:
        from ..studies.legacy import writing

        writing.require(system, resolved)
    return resolved, checkpoints


def _keep(
    found: Sequence[Progress], checkpoints: Path, options: dict[str, Any], say: Callable[[str], None] | None = None
) -> None:
    """Write the results of a study; without `say` the CSV only and in silence, once there is a folder of runs."""
    from ..studies import results

    if say or checkpoints.is_dir():
        results.write(_files(found, checkpoints, options), found, say, parquet=say is not None)


def _write_legacy(found: Sequence[Progress], checkpoints: Path, options: dict[str, Any]) -> None:
    """Write the finished runs in the files of --legacy."""
    if system := options.get("legacy"):
        from ..studies.legacy import writing

        writing.write(system, found, _files(found, checkpoints, options).legacy, note)


def _files(found: Sequence[Progress], checkpoints: Path, options: dict[str, Any]) -> StudyFiles:
    from ..studies.folder import StudyFiles

    return StudyFiles.of(checkpoints, options.get("file"), (each.cell.run_id for each in found))


def _tell_totals(found: Sequence[Progress]) -> None:
    """Print what the runs of a study took so far, all together."""
    from ..studies.results import spent

    if line := spent(found):
        note(line)


def _tell_costs(found: Sequence[Progress], screen: Screen) -> None:
    """Say what the cells cost and what speaks against them."""
    screen.stage("loading torch")
    from ..studies import costing

    screen.stage("looking up the datasets")
    costs = costing.costs_of([each.cell for each in found], screen)
    for line in _costs(found, costs):
        screen.say(line)
    for line, count in costing.warnings(costs).items():
        screen.say(f"{line} ({_runs(count)})")


def _costs(found: Sequence[Progress], costs: dict[str, Cost]) -> list[str]:
    """Return what a study costs, for a reader."""
    from ..studies import costing

    lines = []
    flops = [costs[each.cell.run_id].flops for each in found]
    if None not in flops:
        left = sum(costs[each.cell.run_id].flops or 0 for each in found if not each.done)
        lines.append(f"cost: {sum(each or 0 for each in flops):.3g} FLOPs, of which {left:.3g} are left")
    hours = costing.hours_left(found, costs)
    if hours:
        lines.append(f"time left: {hours:,.1f} h at the rate of the finished runs")
    return lines


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _require_consent(count: int, *, asks: bool) -> None:
    """Ask before many runs; raise InputError where nobody can answer, or the answer is no."""
    import sys

    from ..errors import InputError

    if count <= _UNASKED or not asks:
        return
    if not sys.stdin.isatty() or not typer.confirm(f"Train {_runs(count)}?", err=True):
        raise InputError(f"{_runs(count)} are more than {_UNASKED}, and nobody agreed. Add --yes to train them")


def _complete(worker: Worker, *, as_json: bool) -> None:
    """Train what is missing and print all runs. Raises StudyFailed and NotUploaded."""
    from ..errors import NotUploaded, StudyFailed

    found = worker.complete()
    _show(found, as_json=as_json)
    failed = [each for each in found if not each.done]
    if failed:
        first = failed[0]
        raise StudyFailed(
            f"{_runs(len(failed))} of the study failed. The first: run {first.cell.run_id} ({first.cell.where}), "
            f"{first.kind}: {first.sentence}"
        )
    if worker.not_uploaded:
        raise NotUploaded(f"{_runs(len(worker.not_uploaded))} are done, but not uploaded. Run the same command again")


def _show(found: Sequence[Progress], *, as_json: bool) -> None:
    """Print a study's runs, one per line."""
    from ..system.columns import columns

    if as_json:
        return result_json([each.to_json() for each in found], indent=1)
    note(_summary(found))
    heads = ("run", "model", "size", "dataset", "seed", "epochs", "lr", "state", "result")
    return result(columns(heads, [_line(each) for each in found], folds=("model", "dataset", "state")))


def _summary(found: Sequence[Progress]) -> str:
    """Return how many runs are in which state."""
    states = Counter(each.state for each in found)
    return f"study of {_runs(len(found))}: {', '.join(f'{count:,} {state}' for state, count in states.items())}"


def _line(each: Progress) -> tuple[object, ...]:
    config = each.cell.config
    size = "-" if config.size == config.model else config.size
    tested = each.run.result if each.run else ""
    return (config.run_id, config.model, size, config.dataset, config.seed, config.epochs, f"{config.lr:g}",
            each.shown, tested)  # fmt: skip
