"""The runs that the arguments of a comparison name: IDs, paths, selections such as `model=vit_classic`, a dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

from ..artifacts import runs as finding
from ..artifacts.index import Entry
from ..artifacts.runs import Run, indexed
from ..config.conditions import conditions
from ..config.run import RunConfig
from ..config.settings import declared
from ..errors import InputError
from ..sharing import named
from ..tables.datasets import DATASETS
from ..tables.models import MODELS
from ..tables.sizes import SIZES
from .arms import Exclusion, about

Say = Callable[[str], None]
_OF_A_FOLD = ("fold", "repeat")  # in which the runs of one arm differ
_CLASSES = {field.name: declared(field).differs for field in dataclasses.fields(RunConfig)}
_EQUAL = tuple(
    name for name, differs in _CLASSES.items() if differs in ("voids", "confound") and name not in _OF_A_FOLD
)
_LISTED = 5  # settings in a message


def of_name(name: str, checkpoints: Path, say: Say) -> list[Run]:
    """Return the runs that an argument names: an ID or its beginning, a path, an hf:// address, or a selection.

    A selection is SETTING=VALUE, several separated by commas: `model=vit_classic,size=10M`. Raises InputError for a
    name that fits no run.
    """
    if "=" not in name or Path(name).exists():
        _require_no_setting(name)
        return [named.run_of(name, checkpoints, say)]
    asked = conditions(_parts(name))
    found = [entry for entry in indexed(checkpoints, say) if all(each.fits(entry.settings) for each in asked)]
    if not found:
        raise InputError(f"no run under {checkpoints} fits {name}. `run.py runs` lists the runs with their settings")
    return _loaded(checkpoints, found)


def _require_no_setting(name: str) -> None:
    """Raise InputError for the name of a model, a size or a dataset, which are written as a selection."""
    if Path(name).exists() or Path(f"{name}.json").exists():
        return
    lists = {"model": MODELS, "size": {row.size for row in SIZES}, "dataset": DATASETS}
    if setting := next((setting for setting, names in lists.items() if name in names), None):
        raise InputError(
            f"{name} is a {setting} and not a run. Use {setting}={name} to name its runs, or give the ID or path of one"
        )


def of_ids(run_ids: Iterable[str], checkpoints: Path, say: Say) -> list[Run]:
    """Return the runs with these IDs that exist, in the given order."""
    entries = {entry.run_id: entry for entry in indexed(checkpoints, say)}
    return _loaded(checkpoints, [entries[run_id] for run_id in run_ids if run_id in entries])


def of_dataset(dataset: str | None, checkpoints: Path, say: Say) -> tuple[list[Run], list[Exclusion]]:
    """Return the finished runs of a dataset that may be compared with the newest one, oldest first, and the others.

    They agree with the newest run in every setting except the architecture and harmless ones. Trials with
    `--limit-...` are excluded. Without a dataset, that of the newest finished run is used. Raises InputError for none.
    """
    entries = [entry for entry in indexed(checkpoints, say) if dataset in (None, entry.dataset)]
    done = [entry for entry in entries if entry.status == "done" and not _is_trial(entry)]
    if not done:
        raise InputError(_none_of(dataset, checkpoints, trials=sum(entry.status == "done" for entry in entries)))
    newest = done[-1]
    kept: list[Entry] = []
    others: list[Exclusion] = []
    for entry in entries:
        if entry.dataset == newest.dataset:
            reason = _unlike(entry, newest)
            others += [_excluded(entry, reason)] if reason else []
            kept += [] if reason else [entry]
    return _loaded(checkpoints, kept), others


def _none_of(dataset: str | None, checkpoints: Path, *, trials: int) -> str:
    """Return the message on a dataset without a finished run, or with trials only."""
    of = f" of {dataset}" if dataset else ""
    if trials:
        number = "the only finished run" if trials == 1 else f"all {trials} finished runs"
        return (
            f"{number}{of} under {checkpoints} had --limit-train, --limit-val or --limit-test. Trials are compared "
            "only if you name them, for example with model=vit_classic model=vit_differential"
        )
    return f"there is no finished run{of} under {checkpoints}. Name runs, or train some with `run.py study`"


def _parts(selection: str) -> list[str]:
    """Return the conditions of a selection. A part without `=` is a further value of the one before."""
    found: list[str] = []
    for part in selection.split(","):
        if "=" in part or not found:
            found.append(part)
        else:
            found[-1] += f",{part}"
    return found


def _loaded(checkpoints: Path, entries: Iterable[Entry]) -> list[Run]:
    return [Run.load(finding.files_of(checkpoints, entry).record) for entry in entries]


def _is_trial(entry: Entry) -> bool:
    return any(entry.config.get(f"limit_{split}") is not None for split in ("train", "val", "test"))


def _unlike(entry: Entry, newest: Entry) -> str:
    """Return why a run cannot be compared with the newest one, or an empty text."""
    if entry.status == "done" and _is_trial(entry):
        return "it is a trial with --limit-... Name it to compare it"
    if entry.status != "done":
        return ""  # its state is the reason, which `_usable` states
    differ = [name for name in _EQUAL if entry.config.get(name) != newest.config.get(name)]
    if not differ:
        return ""
    texts = [f"{name} is {entry.config.get(name)} (compared: {newest.config.get(name)})" for name in differ[:_LISTED]]
    return f"{', '.join(texts)}. Name it to compare it"


def _excluded(entry: Entry, reason: str) -> Exclusion:
    title = about(entry.model, entry.size, entry.config["seed"])
    return Exclusion(run_id=entry.run_id, title=title, reason=reason)
