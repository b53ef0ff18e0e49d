"""`study`: a table of runs, planned and completed by one command, and how far it is."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from . import study_best, study_clean, study_folds
from .examples import group, page
from .repository import require_writable
from .screen import note, result, result_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..studies.cells import Cell
    from ..studies.costing import Cost
    from ..studies.progress import Progress
    from ..studies.study import Study
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
Jobs = Annotated[
    int, _option("--jobs", metavar="N", min=1, help="Train this many runs at once on this machine, each on one GPU or "
                 "on a share of the cores. Default: 1."),
]  # fmt: skip
Claim = Annotated[
    float | None, _option("--claim", metavar="TIME", parser=o.interval, help="Let another worker take over a run if "
                          "its worker does not answer for this time, such as 90s or 5m. Default: 2m."),
]  # fmt: skip
MixedVersions = Annotated[
    bool, _flag("--mixed-versions/--one-version", help="Allow runs of other versions of isoscale or torch in the "
                "study. Default: off."),
]  # fmt: skip
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "file": (File, None), "cross": (Cross, None), "repeats": (study_folds.Repeats, None),
}  # fmt: skip
_UNASKED = 100  # runs
COMMANDS = ("run", "status", "best", "clean")


def register(app: typer.Typer) -> None:
    """Add the group. `study FILE` is `study run FILE`, as `spelling` makes it."""
    study = typer.Typer(help="Train a table of runs, and report how far it is.", no_args_is_help=True, **group("study"))
    study.command(**page("study run", o.WHERE_DEFAULTS_COME_FROM))(run)
    study.command(**page("study status"))(status)
    for command in (study_best, study_clean):
        command.register(study, _OPTIONS, _cells)
    app.add_typer(study, name="study")


@o.takes(
    **_OPTIONS, plan=(OnlyPlan, False), yes=(Yes, False), work=(Work, False), retry_failed=(RetryFailed, False),
    jobs=(Jobs, 1), claim=(Claim, None), mixed_versions=(MixedVersions, False), as_json=(o.AsJson, False),
)  # fmt: skip
def run(*, plan: bool, yes: bool, work: bool, jobs: int = 1, as_json: bool, **options: Any) -> None:
    """Train every run of a study that is not finished, one after the other.

    A CSV has settings in its header, such as model,seed, and one run per line. A YAML has settings of every run in
    `base`, axes in `cross` and further runs in `runs`. A setting in the file overrides the same option of this command.

    If it is interrupted, run the same command again: it skips finished runs and resumes the others.
    """
    from .screen import Screen

    how = {name: options.pop(name, None) for name in ("retry_failed", "claim", "mixed_versions")}
    with Screen(quiet=as_json) as screen:
        from ..studies import changes, versions

        study = _study(options, screen, plan=plan)
        found = study.progress(screen.say)
        if changed := changes.since(study.files.cells, study.cells):
            screen.say(changed)
        left = [each for each in found if not each.done]
        if plan or left:  # torch is not loaded for a study that is finished
            _tell_costs(found, screen)
    if plan:
        return _show(found, as_json=as_json)
    changes.keep(study.files.cells, study.cells)
    if not left:
        return _show(found, as_json=as_json)
    versions.require_same(found, mixed=bool(how["mixed_versions"]))
    _require_consent(len(left), asks=not (yes or work))
    if study.remote:
        with Screen(quiet=as_json) as screen:
            require_writable(screen, private=bool(options.get("private")))
    uploaded = jobs == 1 or _work_together(jobs, options | how)
    return _complete(_worker(study, options, how), uploaded=uploaded, as_json=as_json)


def _worker(study: Study, options: Mapping[str, Any], how: Mapping[str, Any]) -> Worker:
    from ..studies.worker import CLAIM_SECONDS, Worker

    return Worker(
        study, note, retry_failed=bool(how["retry_failed"]), max_minutes=options.get("max_minutes"),
        claim_seconds=how["claim"] or CLAIM_SECONDS, mixed_versions=bool(how["mixed_versions"]),
    )  # fmt: skip


def _work_together(count: int, options: dict[str, Any]) -> bool:
    """Let several processes train the runs; return whether all are uploaded that are to be.

    Raises Stopped and KeyboardInterrupt.
    """
    from ..errors import Stopped
    from ..studies import jobs
    from ..studies.cells import words

    given = o.given(options)
    own = [str(given.pop("file"))] if "file" in given else []
    own += [word for axis in given.pop("cross", ()) for word in ("--cross", axis)]
    own += ["--repeats", str(given.pop("repeats"))] if "repeats" in given else []
    own += ["--retry-failed"] if given.pop("retry_failed", False) else []
    own += ["--mixed-versions"] if given.pop("mixed_versions", False) else []
    own += ["--claim", f"{given.pop('claim')}s"] if "claim" in given else []
    parts = jobs.shares(count, jobs.devices(on_cpu=given.get("device") == "cpu"), threads=given.get("threads"))
    codes = jobs.work(["study", "run", *own, *words(given), "--work"], parts, note)
    if 130 in codes:
        raise KeyboardInterrupt
    if 75 in codes:
        raise Stopped("the study stopped", saved=True)
    return 3 not in codes


@o.takes(**_OPTIONS, as_json=(o.AsJson, False))
def status(*, as_json: bool, **options: Any) -> None:
    """Report how far every run of a study is, from the files of the runs."""
    from .screen import Screen

    with Screen(quiet=as_json) as screen:
        found = _study(options, screen).progress(screen.say)
    _show(found, as_json=as_json)


def _cells(options: dict[str, Any], screen: Screen) -> tuple[list[Cell], Path]:
    """Return the cells of a study, and the folder of their runs."""
    study = _study(options, screen)
    return study.cells, study.checkpoints


def _study(options: dict[str, Any], screen: Screen, *, plan: bool = False) -> Study:
    """Return the study that a command names; to `plan` it, HF_REPOSITORY need not be set."""
    import os

    from ..errors import InputError
    from ..studies import axes, cells, folds, rows
    from ..studies.study import Study

    given = {name: value for name, value in o.given(options).items() if name != "max_minutes"}
    file, cross = given.pop("file", None), axes.of_options(given.pop("cross", None) or ())
    repeats: int | None = given.pop("repeats", None)
    if not (file or cross or given.get("folds")):
        raise InputError("the study has no runs. Give a CSV or YAML file, or axes such as --cross seed=0-2")
    screen.stage("reading the study")
    found = rows.of_file(file, options=given, axes=cross) if file else rows.of_axes(cross, given)
    checkpoints: Path = given["checkpoints"]
    resolved = cells.resolved(folds.expanded(found, repeats), screen, checkpoints=checkpoints)
    upload = bool(given.get("upload")) and not (plan and not os.environ.get("HF_REPOSITORY"))
    return Study.of(checkpoints, file, resolved, upload=upload, say=screen.say)


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


def _complete(worker: Worker, *, uploaded: bool, as_json: bool) -> None:
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
    if not uploaded or worker.not_uploaded:
        raise NotUploaded("runs of the study are finished, but not uploaded. Run the same command again")


def _show(found: Sequence[Progress], *, as_json: bool) -> None:
    """Print a study's runs, one per line."""
    from ..system.columns import columns

    if as_json:
        return result_json(study_folds.to_json(found), indent=1)
    note(_summary(found))
    heads = ("run", "model", "size", "dataset", "seed", *study_folds.heads(found), "epochs", "lr", "state", "result")
    lines = [_line(each, study_folds.cells(each, found)) for each in found]
    table = columns(heads, lines, folds=("model", "dataset", "state"))
    return result("\n".join([table, *study_folds.lines(found)]))


def _summary(found: Sequence[Progress]) -> str:
    """Return how many runs are in which state."""
    states = Counter(each.state for each in found)
    return f"study of {_runs(len(found))}: {', '.join(f'{count:,} {state}' for state, count in states.items())}"


def _line(each: Progress, folds: Sequence[str]) -> tuple[object, ...]:
    config = each.cell.config
    size = "-" if config.size == config.model else config.size
    tested = each.run.result if each.run else ""
    return (config.run_id, config.model, size, config.dataset, config.seed, *folds, config.epochs,
            f"{config.lr:g}", each.shown, tested)  # fmt: skip
