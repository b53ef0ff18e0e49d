"""A study's runs gathered for its report: the comparison of each dataset, what is missing, and where records are."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from .. import __version__
from ..artifacts.index import Entry
from ..artifacts.listing import Listed
from ..artifacts.runs import Run
from ..errors import InputError
from ..results import arms as grouping
from ..results import comparing, family, looks
from ..results.arms import Chosen
from ..results.comparing import Asked, Draft
from ..results.comparison import Comparison
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
    seeds: Callable[[str], int]  # those that every model has a result of


def gathered(
    source: Source, entries: Sequence[Entry], *, asked: Asked, planned: Sequence[int] | None, records: Mapping[str, str]
) -> Subject:
    """Return the subject of a study's report. Each dataset's comparison is a look at the study, which is counted.

    `planned` are the seeds of `--looks`, and `records` the addresses of the runs' records. Raises InputError for a
    plan that is not the stored one, and Damaged for damaged files.
    """
    tested = [run for run in source.runs if run.done and run.record.tested]
    datasets = dict.fromkeys(run.config.dataset for run in tested)
    answers = tuple(_answers(
        source, [[run for run in tested if run.config.dataset == dataset] for dataset in datasets], entries, asked,
        planned,
    ))  # fmt: skip
    partial = tuple(run for run in source.runs if run not in tested)
    return Subject(
        name=source.name, answers=answers, waiting=tuple(_waiting(source, partial, entries)), partial=partial,
        commands=tuple(commands(source)), records=dict(records), version=__version__,
        written=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )  # fmt: skip


def _answers(
    source: Source, parts: Sequence[list[Run]], entries: Sequence[Entry], asked: Asked, planned: Sequence[int] | None
) -> Iterator[Answer]:
    """Yield the answer of each dataset, given its runs. The pairs of all datasets are one family.

    Runs that cannot be compared have the reason in place of a comparison. Raises InputError for a metric that runs do
    not have.
    """
    choices: dict[int, Chosen] = {}
    drafts: dict[int, Draft] = {}
    reasons: dict[int, str] = {}
    for place, runs in enumerate(parts):
        config = runs[0].config
        metric_of(asked.metric, task_name=config.task, classes=config.classes)
        with _reasoned(reasons, place):
            choices[place] = grouping.chosen({source.name: runs}, config.dataset)
    for place, chosen in zip(choices, family.aligned([*choices.values()]), strict=True):
        with _reasoned(reasons, place):
            drafts[place] = comparing.draft(chosen, asked=asked)
    of = {
        place: replace(
            each,
            look=looks.of_arms(source.folder, each.chosen, seeds=source.seeds, complete=source.complete, asked=planned),
        )
        for place, each in drafts.items()
    }
    found = dict(zip(of, comparing.of_family([*of.values()], entries) if of else (), strict=True))
    for place, runs in enumerate(parts):
        calibrated, without = _calibration(of[place].chosen, entries) if place in of else ((), ())
        noise, noiseless = _noise(of[place].chosen, entries) if place in of else (None, "")
        yield Answer(
            dataset=runs[0].config.dataset, runs=tuple(runs), comparison=found.get(place),
            reason=reasons.get(place, ""), calibration=calibrated, uncalibrated=without, noise=noise,
            noiseless=noiseless,
        )  # fmt: skip


@contextmanager
def _reasoned(reasons: dict[int, str], place: int) -> Iterator[None]:
    """Keep the reason why a dataset is not compared. A comparison that is refused is no look."""
    try:
        yield
    except InputError as error:
        reasons[place] = f"{error}."


def _calibration(chosen: Chosen, entries: Sequence[Entry]) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Return the comparisons by proper scores, and why there is none by others; of a regression neither."""
    if chosen.arms[0].config.task == "regression":
        return (), ()
    found: list[Comparison] = []
    without: list[str] = []
    for metric in calibration.METRICS:
        try:
            found.append(comparing.compare(chosen, entries, asked=Asked(metric=metric)))
        except InputError as error:
            without.append(f"{error}.")
    return tuple(found), tuple(without)


def _noise(chosen: Chosen, entries: Sequence[Entry]) -> tuple[Comparison | None, str]:
    """Return the comparison by the change under noise, or why there is none; neither if `robust` tested no run."""
    kept = [run.files.robust.exists() for arm in chosen.arms for run in arm.runs]
    if chosen.arms[0].config.task == "regression" or not any(kept):
        return None, ""
    try:
        return comparing.compare(chosen, entries, asked=Asked(metric="noise")), ""
    except InputError as error:
        return None, f"{error}."


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
