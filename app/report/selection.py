"""The runs of one set of figures: runs of one dataset that differ only in model, size and seed, or the named runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import task
from ..artifacts.runs import Run
from ..config.run import RunConfig
from ..errors import InputError
from ..tables.datasets import DATASETS
from ..tables.models import MODELS
from ..tables.sizes import named
from .differences import distinctions, in_words, settings_of, shown

Say = Callable[[str], None]
_LISTED = 12
_TO_DRAW = "To draw a skipped run, name every run that you want with --run ID"
REPEATED = ("epochs", "shape", "patch")  # may differ between the runs of `plot history`, besides their seeds


def comparable(runs: list[Run], *, named: list[str] | None, say: Say) -> dict[str, list[Run]]:
    """Return one set per dataset: every seed of each model, attention and size, with all else equal.

    Runs that differ in another setting from the dataset's newest run are skipped, as are unfinished runs and trials
    with `--limit-...`. `say` is called with the reason. With `named`, IDs or the beginnings of IDs, exactly those runs
    are drawn, whatever their differences. Raises InputError if no run is left, if a name matches no run or several, and
    if the runs of a dataset have different tasks.
    """
    return _sets(runs, named, say, without="Train one with: run.py train --model vit_differential --size 10M")


def repeated(runs: list[Run], *, named: list[str] | None, say: Say) -> dict[str, list[Run]]:
    """Return one set per dataset like `comparable`, but shapes and numbers of epochs may also differ."""
    return _sets(runs, named, say, without="Train some that differ in --seed", free=REPEATED)


def _sets(
    runs: list[Run], named: list[str] | None, say: Say, *, without: str, free: Sequence[str] = ()
) -> dict[str, list[Run]]:
    if not runs:
        raise InputError(f"there is no run to draw yet. {without}")
    oldest_first = sorted(runs, key=_started)
    chosen = _by_name(oldest_first, named, say) if named else _finished_and_whole(oldest_first, say)
    sets = {
        name: [run for run in chosen if run.config.dataset == name]
        for name in sorted({run.config.dataset for run in chosen})
    }
    return {name: _of_one_task(found) if named else _one_set(found, say, free) for name, found in sets.items()}


def architectures(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs of each architecture, smallest first.

    A model with another attention than its default is a separate one.
    """
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=_place):
        config = run.config
        own = config.attention == config.row.attention
        found.setdefault(config.folder if own else f"{config.model}-{config.attention}", []).append(run)
    return found


def model_title(config: RunConfig) -> str:
    """Return the architecture as it appears in a figure's title."""
    row = config.row
    return row.title if config.attention == row.attention else f"{row.title} ({config.attention})"


def run_title(config: RunConfig) -> str:
    """Return the name of one run for its figures."""
    size = "" if config.sized.whole else f" {config.size}"
    return f"{model_title(config)}{size} on {dataset_title(config.dataset)}"


def dataset_title(dataset: str) -> str:
    """Return the dataset as it appears in a figure's title."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset


def loss_title(config: RunConfig) -> str:
    """Return the name of a run's loss for an axis."""
    learned = task.of(config.task)
    return f"{learned.loss_name} ({learned.loss_unit})"


def sizes(runs: Iterable[Run]) -> list[str]:
    """Return the sizes among the runs, smallest first."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.config.size] = min(_count(run), counts.get(run.config.size, _count(run)))
    return sorted(counts, key=counts.__getitem__)


def kinds(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs by the name that a figure gives them: the size, and the settings in which the runs differ.

    Seeds of one size have one name. The smallest size is first.
    """
    differing, order = distinctions(runs), sizes(runs)
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (order.index(run.config.size), differing[run.files])):
        found.setdefault(", ".join(filter(None, (run.config.size, differing[run.files]))), []).append(run)
    return found


def label(run: Run) -> str:
    """Return the name of a run for messages."""
    return f"{run.record.run_id} ({named(run.config.model, run.config.size)} {run.config.dataset})"


def examples(runs: Iterable[Run]) -> str:
    """Return the name for the rows of a figure's dataset, for the caption."""
    return {"diffraction": "patterns", "nested_cylinder": "fields"}.get(next(iter(runs)).config.dataset, "images")


def warning(runs: Iterable[Run]) -> str:
    """Return the dataset's warning as one sentence for the caption, or an empty text if it has none."""
    found = sorted({run.record.data.warning for run in runs} - {""})
    return f"Warning: {'; '.join(found)}." if found else ""


def seeds(runs: Iterable[Run]) -> str:
    """Return the number of seeds of a figure, and the seeds."""
    found = sorted({run.config.seed for run in runs})
    return f"{len(found)} seeds ({', '.join(map(str, found))})" if len(found) > 1 else f"1 seed (seed {found[0]})"


def _started(run: Run) -> str:
    return run.record.started


def _count(run: Run) -> int:
    return run.record.parameters.total


def _place(run: Run) -> tuple[int, str, str, int]:
    """Return a run's place in the order: models as in the table, then timm's by name, each by attention and size."""
    model, known = run.config.model, list(MODELS)
    return known.index(model) if model in MODELS else len(known), model, run.config.attention or "", _count(run)


def _by_name(runs: list[Run], named: list[str], say: Say) -> list[Run]:
    wanted: set[str] = set()
    for text in named:
        fitting = [run for run in runs if run.record.run_id.startswith(text.lower())]
        if len({run.record.run_id for run in fitting}) != 1:
            problem = "fits several runs" if fitting else "fits no run"
            raise InputError(f"--run {text} {problem}. Valid values: {_listed(fitting or runs)}")
        wanted.add(fitting[0].record.run_id)
        if not fitting[-1].done:
            say(f"{label(fitting[-1])} is not finished. It is drawn up to its last row")
    return [run for run in runs if run.record.run_id in wanted]


def _listed(runs: list[Run]) -> str:
    newest_first = [label(run) for run in reversed(runs)]
    more = f" and {len(newest_first) - _LISTED} more" if len(newest_first) > _LISTED else ""
    return ", ".join(newest_first[:_LISTED]) + more


def _finished_and_whole(runs: list[Run], say: Say) -> list[Run]:
    unfinished = [run for run in runs if not run.done]
    trials = [run for run in runs if run.done and run.config.limited]
    reasons = []
    if unfinished:
        reasons.append(f"not finished (the same train command resumes it): {_listed(unfinished)}")
    if trials:
        reasons.append(f"a trial with --limit-...: {_listed(trials)}")
    whole = [run for run in runs if run.done and not run.config.limited]
    if not whole:
        raise InputError(
            f"there is no finished and complete run to draw ({'; '.join(reasons)}). Name a run with --run ID"
        )
    for reason in reasons:
        say(f"skipped, {reason}. {_TO_DRAW}")
    return whole


def _one_set(runs: list[Run], say: Say, free: Sequence[str]) -> list[Run]:
    """Return the runs that agree with the newest one, the newest of each place, seed and value of `free` settings."""
    common = {name: value for name, value in settings_of(runs[-1]).items() if name not in free}
    newest = {run.config.model: run.config.model_revision for run in runs}
    kept: dict[tuple[Any, ...], Run] = {}
    skipped = False
    for run in runs:
        held, wanted = settings_of(run), common | {"model_revision": newest[run.config.model]}
        different = [
            f"{in_words(name)} is {shown(held[name])} (drawn: {shown(value)})"
            for name, value in wanted.items()
            if held[name] != value
        ]
        if different:
            say(f"skipped {label(run)}: {', '.join(different)}")
            skipped = True
        else:
            kept[*_place(run), run.config.seed, *(getattr(run.config, name) for name in free)] = run
    if skipped:
        say(_TO_DRAW)
    return [kept[place] for place in sorted(kept)]


def _of_one_task(runs: list[Run]) -> list[Run]:
    """Return the runs in the order of a figure. Raise InputError if their tasks differ, since so do their losses."""
    if len({run.config.task for run in runs}) > 1:
        shown = ", ".join(f"{run.record.run_id} {run.config.task}" for run in runs)
        raise InputError(f"the runs have different tasks ({shown}). Name runs of one task with --run")
    return sorted(runs, key=lambda run: (*_place(run), run.config.seed))
