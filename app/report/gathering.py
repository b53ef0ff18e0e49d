"""A study's runs gathered for its report: the comparison of each dataset, what is missing, and where records are."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .. import __version__
from ..artifacts.index import Entry
from ..artifacts.listing import Listed
from ..artifacts.runs import Run
from ..errors import InputError
from ..results import arms as grouping
from ..results import comparing, looks
from ..results.arms import Chosen
from ..results.comparing import Asked
from ..results.comparison import Comparison
from ..results.looks import Look
from ..results.metrics import metric_of
from ..sharing import public
from .sections import calibration
from .sections.subject import Answer, Subject, Waiting


@dataclass(frozen=True, kw_only=True)
class Source:
    """A study as its files have it: its runs with a record, and the settings of those without one, by run ID."""

    name: str
    folder: Path
    checkpoints: Path
    file: Path | None
    runs: Sequence[Run]
    missing: Mapping[str, Mapping[str, str]]
    complete: Callable[[str], int]  # the seeds of the complete study on a dataset


def gathered(
    source: Source, entries: Sequence[Entry], *, asked: Asked, planned: Sequence[int] | None, records: Mapping[str, str]
) -> Subject:
    """Return the subject of a study's report. Each dataset's comparison is a look at the study, which is counted.

    `planned` are the seeds of `--looks`, and `records` the addresses of the runs' records. Raises InputError for a
    plan that is not the stored one, and Damaged for damaged files.
    """
    tested = [run for run in source.runs if run.done and run.record.tested]
    datasets = dict.fromkeys(run.config.dataset for run in tested)
    answers = tuple(
        _answer(source, dataset, [run for run in tested if run.config.dataset == dataset], entries, asked, planned)
        for dataset in datasets
    )
    partial = tuple(run for run in source.runs if run not in tested)
    return Subject(
        name=source.name, answers=answers, waiting=tuple(_waiting(source, partial, entries)), partial=partial,
        commands=tuple(commands(source)), records=dict(records), version=__version__,
        written=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )  # fmt: skip


def _answer(
    source: Source, dataset: str, runs: list[Run], entries: Sequence[Entry], asked: Asked, planned: Sequence[int] | None
) -> Answer:
    """Return the answer of one dataset. Runs that cannot be compared have the reason in place of a comparison.

    Raises InputError for a metric that these runs do not have.
    """
    config = runs[0].config
    metric_of(asked.metric, task_name=config.task, classes=config.classes)
    try:
        chosen = grouping.chosen({source.name: runs}, dataset)
        comparing.compare(chosen, entries, asked=asked)  # a comparison that is refused is no look
    except InputError as error:
        return Answer(dataset=dataset, runs=tuple(runs), comparison=None, reason=f"{error}.")
    look = looked(source.folder, chosen, complete=source.complete, planned=planned)
    return Answer(
        dataset=dataset, runs=tuple(runs), comparison=comparing.compare(chosen, entries, asked=asked, look=look),
        calibration=tuple(_calibration(chosen, entries)),
    )  # fmt: skip


def looked(folder: Path, chosen: Chosen, *, complete: Callable[[str], int], planned: Sequence[int] | None) -> Look:
    """Return the look at a study's comparison, and store it if it is a new one."""
    runs = [run for arm in chosen.arms for run in arm.runs]
    seeds = min(len({(run.config.seed, run.config.repeat) for run in arm.runs}) for arm in chosen.arms)
    dataset = runs[0].config.dataset
    ids = [run.record.run_id for run in runs]
    return looks.take(folder, dataset, ids, seeds=seeds, complete=complete(dataset), asked=planned)


def _calibration(chosen: Chosen, entries: Sequence[Entry]) -> list[Comparison]:
    """Return the comparisons by proper scores; of a regression none."""
    if chosen.arms[0].config.task == "regression":
        return []
    return [comparing.compare(chosen, entries, asked=Asked(metric=metric)) for metric in calibration.METRICS]


def _waiting(source: Source, partial: Sequence[Run], entries: Sequence[Entry]) -> list[Waiting]:
    """Return the runs without a result, those with a record first."""
    known = {entry.run_id: entry for entry in entries}
    found = []
    for run in partial:
        config, entry = run.config, known.get(run.record.run_id)
        state = "not tested" if run.done else Listed.of(source.checkpoints, entry).shown if entry else run.record.status
        title = grouping.about(config.model, config.size, config.seed)
        found.append(Waiting(run_id=run.record.run_id, title=title, dataset=config.dataset, state=state))
    for run_id, settings in source.missing.items():
        model, size = settings.get("model", "default model"), settings.get("size")
        title = f"{model}{f' {size}' if size else ''}, seed {settings.get('seed', '0')}"
        found.append(Waiting(run_id=run_id, title=title, dataset=settings.get("dataset", "-"), state="missing"))
    return found


def commands(source: Source) -> list[str]:
    """Return the commands that train the study, repeat its comparison and write its report."""
    if source.file:
        name = shlex.quote(source.file.name)
        return [f"python run.py {command} {name}" for command in ("study run", "compare", "report")]
    shown = dict.fromkeys(public.command(run.record)[0] for run in source.runs)
    return [*shown, *(f"python run.py {command} {shlex.quote(source.name)}" for command in ("compare", "report"))]


def relative_records(runs: Sequence[Run], page: Path) -> dict[str, str]:
    """Return the addresses of the runs' records relative to the folder of a page."""
    folder = page.resolve().parent
    return {
        run.record.run_id: quote(Path(os.path.relpath(run.files.record.resolve(), folder)).as_posix()) for run in runs
    }
