"""`study`: a table of runs, planned and completed by one command, and how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..system.durable import make_folder
from . import launch as of_launch
from . import options as o
from . import study_best, study_clean, study_options, study_read
from .examples import group, page
from .pages import deferred
from .repository import require_writable
from .screen import note
from .study_shown import runs, show, tell_costs, tell_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..studies.budget import Budget
    from ..studies.cells import Cell
    from ..studies.jobs import Part
    from ..studies.progress import Progress
    from ..studies.study import Study
    from ..studies.worker import Worker
    from .screen import Screen

_UNASKED = 100  # runs


def register(app: typer.Typer) -> None:
    """Add the group. `study FILE` is `study run FILE`, as `spelling` makes it."""
    look = group("study") | {"cls": deferred(_commands)}
    study = typer.Typer(help="Train a table of runs, and report how far it is.", no_args_is_help=True, **look)
    app.add_typer(study, name="study")


def _commands() -> typer.Typer:
    study = typer.Typer()
    study.command(**page("study run", o.WHERE_DEFAULTS_COME_FROM))(run)
    study.command(**page("study status"))(status)
    for command in (study_best, study_clean):
        command.register(study, study_options.OF_EVERY_COMMAND, _cells)
    return study


@o.takes(**study_options.OF_RUN)
def run(*, plan: bool, yes: bool, work: bool, as_json: bool, **options: Any) -> None:
    """Train every run of a study that is not finished, one after the other.

    A CSV has settings in its header, such as model,seed, and one run per line. A YAML has settings of every run in
    `base`, axes in `cross` and further runs in `runs`. A setting in the file overrides the same option of this command.

    If it is interrupted, run the same command again: it skips finished runs and resumes the others.
    """
    from .screen import Screen

    how = {name: options.pop(name, None) for name in study_options.OF_A_RUN}
    if how["launch"] or how["workers"]:
        return of_launch.of_study(options | how | {"plan": plan, "as_json": as_json})
    with Screen(quiet=as_json) as screen:
        from ..studies import changes, versions
        from ..studies.budget import Budget

        budget = Budget(hours=how["max_hours"], usd=how["max_usd"])
        study = _study(options, screen, plan=plan)
        budget.require(study.cells)
        found = study.progress(screen.say)
        if changed := changes.since(study.files.cells, study.cells):
            screen.say(changed)
        left = [each for each in found if not each.done]
        if plan or left:
            tell_costs(found, screen)
        if left and not plan:
            versions.require_same(found, mixed=bool(how["mixed_versions"]))
            _require_consent(len(left), asks=not (yes or work))
            _require_places(study, screen, private=bool(options.get("private")))
    if plan:
        return show(found, as_json=as_json)
    changes.keep(study.files.cells, study.cells)
    _keep(study, found, note)
    if not left:
        _write_legacy(study, found, options)
        return show(found, as_json=as_json)
    return _complete(study, budget, how | {"work": work, "as_json": as_json}, options)


def _complete(study: Study, budget: Budget, how: dict[str, Any], options: dict[str, Any]) -> None:
    """Train what is missing, here or in several workers, and keep what the study leaves."""
    from ..studies import jobs

    worker, parts = _worker(study, budget, how, options), jobs.parts_of(options | how)
    try:
        uploaded = not parts or _work_together(parts, options | how)
        _finish(worker, uploaded=uploaded, as_json=how["as_json"])
    finally:
        _keep(study, found := worker.progress(), note)
        tell_totals(found)
        _write_legacy(study, found, options)
    if study.remote:
        _upload_results(study, private=bool(options.get("private")))


def _upload_results(study: Study, *, private: bool) -> None:
    """Upload the results of a finished study next to its runs. A Hub that does not answer is a warning."""
    from ..errors import HubUnavailable
    from ..sharing import study as shared

    try:
        shared.upload(study.files.folder, private=private, say=note)
    except HubUnavailable as error:
        note(f"warning: the results of the study are not uploaded ({error}). The runs are. Run `run.py upload "
             f"{study.files.folder} studies/{study.files.folder.name}`")  # fmt: skip


def _worker(study: Study, budget: Budget, how: Mapping[str, Any], options: Mapping[str, Any]) -> Worker:
    from ..studies import jobs
    from ..studies.worker import CLAIM_SECONDS, Worker

    return Worker(
        study, note, retry_failed=bool(how["retry_failed"]), max_minutes=options.get("max_minutes"), budget=budget,
        claim_seconds=how["claim"] or CLAIM_SECONDS, mixed_versions=bool(how["mixed_versions"]),
        ranks=how["ranks"] or 1, ahead=jobs.ahead(),
    )  # fmt: skip


def _work_together(parts: Sequence[Part], options: dict[str, Any]) -> bool:
    """Let several processes train the runs; return whether all are uploaded that are to be.

    Raises Stopped and KeyboardInterrupt.
    """
    from ..errors import Stopped
    from ..studies import jobs

    alone = {**options, "jobs": None, "jobs_per_device": None, "legacy": None}
    codes = jobs.work(study_read.worker_of(alone), parts, note)
    if 130 in codes:
        raise KeyboardInterrupt
    if 75 in codes:
        raise Stopped("the study stopped", saved=True)
    return 3 not in codes


def _finish(worker: Worker, *, uploaded: bool, as_json: bool) -> None:
    """Train what is missing and print all runs. Raises StudyFailed and NotUploaded."""
    from ..errors import NotUploaded, StudyFailed

    found = worker.complete()
    show(found, as_json=as_json)
    failed = [each for each in found if not each.done]
    if failed:
        first = failed[0]
        raise StudyFailed(
            f"{runs(len(failed))} of the study failed. The first: run {first.cell.run_id} ({first.cell.where}), "
            f"{first.kind}: {first.sentence}"
        )
    if not uploaded or worker.not_uploaded:
        raise NotUploaded("runs of the study are finished, but not uploaded. Run the same command again")


def _require_consent(count: int, *, asks: bool) -> None:
    """Ask before many runs; raise InputError where nobody can answer, or the answer is no."""
    import sys

    from ..errors import InputError

    if count <= _UNASKED or not asks:
        return
    if not sys.stdin.isatty() or not typer.confirm(f"Train {runs(count)}?", err=True):
        raise InputError(f"{runs(count)} are more than {_UNASKED}, and nobody agreed. Add --yes to train them")


def _require_places(study: Study, screen: Screen, *, private: bool) -> None:
    """Raise InputError or OSError for a repository or a folder that no run could be written to."""
    if study.remote:
        require_writable(screen, private=private)
    make_folder(study.files.folder)


@o.takes(**study_options.OF_EVERY_COMMAND, as_json=(o.AsJson, False))
def status(*, as_json: bool, **options: Any) -> None:
    """Report how far every run of a study is, from the files of the runs."""
    from .screen import Screen

    with Screen(quiet=as_json) as screen:
        study = _study(options, screen)
        found = study.progress(screen.say)
    _keep(study, found)
    _write_legacy(study, found, options)
    show(found, as_json=as_json)


def _cells(options: dict[str, Any], screen: Screen) -> tuple[list[Cell], Path]:
    """Return the cells of a study, and the folder of their runs."""
    study = _study(options, screen)
    return study.cells, study.checkpoints


def _study(options: dict[str, Any], screen: Screen, *, plan: bool = False) -> Study:
    """Return the study that a command names; to `plan` it, HF_REPOSITORY need not be set."""
    import os

    from ..studies.study import Study

    screen.stage("reading the study")
    cells = study_read.cells_of(options, study_read.rows_of(options), screen)
    upload = bool(options.get("upload")) and not (plan and not os.environ.get("HF_REPOSITORY"))
    return Study.of(options["checkpoints"], options.get("file"), cells, upload=upload, say=screen.say)


def _keep(study: Study, found: Sequence[Progress], say: Callable[[str], None] | None = None) -> None:
    """Write the results of a study; without `say` the CSV only and in silence, once there is a folder of runs."""
    from ..studies import results

    if say or study.checkpoints.is_dir():
        results.write(study.files, found, say, parquet=say is not None)


def _write_legacy(study: Study, found: Sequence[Progress], options: dict[str, Any]) -> None:
    """Write the finished runs in the files of --legacy."""
    if system := options.get("legacy"):
        from ..studies.legacy import writing

        writing.write(system, found, study.files.legacy, note)
