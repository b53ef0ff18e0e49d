"""Which runs go into one set of figures: those of one dataset that differ in size and model only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import task
from ..artifacts.runs import Run
from ..config.facts import DatasetFacts
from ..config.run import RunConfig, resolve
from ..counts.vit import head_width
from ..errors import InputError
from ..sharing.card import cells_of
from ..tables.datasets import DATASETS
from ..tables.models import MODELS
from ..tables.protocols import PROTOCOLS, UNKNOWN
from ..tables.shape import CELLS

Say = Callable[[str], None]
# may differ within a set: the shape, where it follows from size and model, and what the dataset tells
_FREE = {"model", "size", *CELLS, "classes", "channels", "native"}
_SHAPE = tuple(name for name in CELLS if name not in ("patch", "attention"))
_LISTED = 12


def comparable(runs: list[Run], *, named: list[str] | None, say: Say) -> dict[str, list[Run]]:
    """One set per dataset: the newest finished run of each model, attention and size, all else being equal.

    Runs that differ in another field from the dataset's newest run are left out and told to `say`; so are unfinished
    runs and trials with `--limit-...` unless `named` holds their id or the beginning of it. Raises InputError where
    nothing is left or a name fits no run.
    """
    if not runs:
        raise InputError(
            "there is no run to draw yet. Train one with: run.py train --model vit_differential --size 10M"
        )
    oldest_first = sorted(runs, key=_started)
    chosen = _by_name(oldest_first, named, say) if named else _finished_and_whole(oldest_first, say)
    datasets = sorted({run.config.dataset for run in chosen})
    return {name: _one_set([run for run in chosen if run.config.dataset == name], say) for name in datasets}


def repeated(runs: list[Run], *, named: list[str] | None, say: Say) -> dict[str, list[Run]]:
    """One set per dataset as `comparable`, with every seed, shape and number of epochs of each model and size."""
    if not runs:
        raise InputError("there is no run to draw yet. Train some that differ in --seed")
    oldest_first = sorted(runs, key=_started)
    chosen = _by_name(oldest_first, named, say) if named else _finished_and_whole(oldest_first, say)
    datasets = sorted({run.config.dataset for run in chosen})
    return {
        name: _one_set(
            [run for run in chosen if run.config.dataset == name], say, free=("seed", "epochs", "shape", "patch")
        )
        for name in datasets
    }


def architectures(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each architecture, smallest first; a model whose attention is not its own is one by itself."""
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=_place):
        config = run.config
        own = config.attention == config.row.attention
        found.setdefault(config.folder if own else f"{config.model}-{config.attention}", []).append(run)
    return found


def model_title(config: RunConfig) -> str:
    """The architecture as a figure's title names it."""
    row = config.row
    return row.title if config.attention == row.attention else f"{row.title} ({config.attention})"


def run_title(config: RunConfig) -> str:
    """One run as its own figures name it."""
    size = "" if config.sized.whole else f" {config.size}"
    return f"{model_title(config)}{size} on {dataset_title(config.dataset)}"


def dataset_title(dataset: str) -> str:
    """The dataset as a figure's title names it."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset


def loss_title(config: RunConfig) -> str:
    """What a run's loss is, as an axis names it."""
    learned = task.of(config.task)
    return f"{learned.loss_name} ({learned.loss_unit})"


def sizes(runs: Iterable[Run]) -> list[str]:
    """The sizes among the runs, smallest first."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.config.size] = min(_count(run), counts.get(run.config.size, _count(run)))
    return sorted(counts, key=counts.__getitem__)


def label(run: Run) -> str:
    """A run as messages name it."""
    return f"{run.record.run_id} ({run.config.model} {run.config.size} {run.config.dataset})"


def examples(runs: Iterable[Run]) -> str:
    """What the rows of a figure's dataset are, for the small print."""
    return {"diffraction": "patterns", "nested_cylinder": "fields"}.get(next(iter(runs)).config.dataset, "images")


def warning(runs: Iterable[Run]) -> str:
    """What the dataset warns of, as one sentence for the small print; empty where it warns of nothing."""
    found = sorted({run.record.data.warning for run in runs} - {""})
    return f"Warning: {'; '.join(found)}." if found else ""


def seeds(runs: Iterable[Run]) -> str:
    """How many seeds stand behind a figure, and which."""
    found = sorted({run.config.seed for run in runs})
    return f"{len(found)} seeds ({', '.join(map(str, found))})" if len(found) > 1 else f"1 seed (seed {found[0]})"


def _started(run: Run) -> str:
    return run.record.started


def _count(run: Run) -> int:
    return run.record.parameters.total


def _place(run: Run) -> tuple[int, str, str, int]:
    """Where a run stands among others: in the order of the table, then timm's by name, each by attention and size."""
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
        reasons.append(f"a trial with --limit-... (drawn when named with --run): {_listed(trials)}")
    whole = [run for run in runs if run.done and not run.config.limited]
    if not whole:
        raise InputError(f"there is no finished run to draw: {'; '.join(reasons)}. Name a run with --run")
    for reason in reasons:
        say(f"skipped, {reason}")
    return whole


def _one_set(runs: list[Run], say: Say, *, free: Sequence[str] = ()) -> list[Run]:
    """The runs that agree with the newest one, the newest of each model, attention and size, and of what is `free`."""
    common = {name: value for name, value in _held_equal(runs[-1]).items() if name not in free}
    newest = {run.config.model: run.config.model_revision for run in runs}
    kept: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        held, wanted = _held_equal(run), common | {"model_revision": newest[run.config.model]}
        different = [
            f"{name}={held[name]} where the set has {value}" for name, value in wanted.items() if held[name] != value
        ]
        if different:
            say(f"skipped {label(run)}: {', '.join(different)}")
        else:
            kept[*_place(run), *(getattr(run.config, name) for name in free)] = run
    return [kept[place] for place in sorted(kept)]


def _held_equal(run: Run) -> dict[str, Any]:
    """What must be equal within a set."""
    config = run.config
    held = {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE}
    held |= {"stored_side": config.stored_side, "shape": _shape(config), "patch": _patch(config)}
    data = {"split_fingerprint": run.record.data.split_fingerprint, "version": run.record.data.version}
    precisions = sorted({place.precision for place in run.record.places})
    return held | data | {"precision": config.precision, "computed_in": ", ".join(precisions)}


def _patch(config: RunConfig) -> int:
    """The patch; the protocol's where none was chosen, so that such a model stands beside those that have it.

    That is a model without patches, and one without attention at its row's own patch, which belongs to what it is.
    """
    own = config.attention is None and config.patch == config.row.cells.get("patch")
    return PROTOCOLS.get(config.dataset, UNKNOWN).patch if own else config.patch


def _shape(config: RunConfig) -> str:
    """`of the size table` where model, size and attention decide the shape, else what was chosen beside them.

    A depth that comes nearest to the budget follows from it, whatever the width.
    """
    cells = {name: getattr(config, name) for name in _SHAPE}
    if _resolved_shape(config, ()) == cells:
        return "of the size table"
    if not config.row.sized:
        return cells_of(cells, config.family)
    depth = "" if _resolved_shape(config, ("d_model", "heads", "mlp_ratio")) == cells else f" depth {config.depth}"
    width = head_width(config.shape)
    return f"d_model {config.d_model} head width {width} mlp_ratio {config.mlp_ratio:g}{depth}"


def _resolved_shape(config: RunConfig, kept: tuple[str, ...]) -> dict[str, Any] | None:
    """The shape that a command would get with only the `kept` cells given; None where it would be refused."""
    names = ("model", "size", "attention", "image", "patch", *kept)
    asked = {name: value for name in names if (value := getattr(config, name)) is not None}
    if config.sized.whole:
        del asked["size"]
    facts = {name: getattr(config, name) for name in ("classes", "channels", "native")}
    try:
        found = resolve(asked, DatasetFacts(name=config.dataset, **facts))
    except InputError:
        return None
    return {name: getattr(found, name) for name in _SHAPE}
