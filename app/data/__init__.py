"""The only door to data: what a dataset is (`facts`, `understood`), its cache (`prepare`), and its three splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config import checks, effects, noisy
from ..config.facts import DatasetFacts, dataset_facts
from ..config.run import LOOKED_UP, RunConfig
from ..config.settings import Data
from ..errors import InputError
from ..tables.datasets import DatasetRow, dataset_name, dataset_row, is_local
from ..tables.reading import FieldReading
from ..tables.revisions import LAYOUT, REVISED_LAYOUT
from ..tables.shape import Extent, normal, with_unit
from . import inspection
from .asking import ask_of, located, revision_of_files, shape_of, where
from .labels import given
from .preparing import prepare, with_test
from .sources import files, opening, signals
from .sources.opening import at, fingerprint
from .sources.source import Ask, Revised
from .splits import holdout
from .store import cache
from .store.cache import Cached
from .store.writer import Progress
from .understood import Understood

if TYPE_CHECKING:
    from .labels.given import Stored
    from .splits.division import Splits
    from .splits.resident import Holder, Split


def facts(request: Mapping[str, Any], say: Callable[[str], None], progress: Progress) -> DatasetFacts:
    """Return the facts of the requested dataset that a config needs.

    A known dataset is not opened. Any other dataset is looked up in the cache, then in the Hub's metadata. If its
    labels are not class indices, it is read.
    """
    asked = request["dataset"]
    name, row = dataset_name(asked), dataset_row(asked)
    effects.require(request)
    checks.check_name(name)
    if row and row.kind != "image":
        return _facts_of_files(row, request)
    if row and not request.keys() & LOOKED_UP:
        return dataset_facts(row)
    ask = located(ask_of({**request, "dataset": name}, path=asked if is_local(asked) else None))
    ask, classes = _classes(ask, say, progress)
    known: dict[str, Any] = (
        {"channels": row.channels, "native": row.native, "kind": row.kind, "task": row.task} if row else {}
    )
    return DatasetFacts(name=name, classes=classes, fingerprint=ask.fingerprint, layout_revision=ask.layout, **known)


def _facts_of_files(row: DatasetRow, request: Mapping[str, Any]) -> DatasetFacts:
    """Return the facts of fields and signals, read from the first of the files. Nothing is cached."""
    ask = ask_of({**request, "dataset": row.name}, **where(request))
    shape = shape_of(ask)
    names = (ask.reading.target,) if isinstance(ask.reading, FieldReading) else signals.class_names(ask)
    return DatasetFacts(
        name=row.name, classes=len(names), channels=shape[0], image=normal(shape[1:]), kind=row.kind, task=row.task,
        fingerprint=fingerprint(ask), layout_revision=revision_of_files(ask),
    )  # fmt: skip


def asked(request: Mapping[str, Any]) -> Ask:
    """Return the ask of a request for a dataset, without a run."""
    effects.require(request)
    return located(ask_of({**request, "dataset": dataset_name(request["dataset"])}, **where(request)))


def require_inputs(ask: Ask, config: RunConfig) -> None:
    """Raise InputError unless the inputs in the files have the shape that a run was trained on."""
    shape = shape_of(ask)
    if shape != config.input_shape:
        theirs, ours = with_unit(normal(shape[1:])), with_unit(config.image)
        part = "--crop" if isinstance(ask.reading, FieldReading) else "--range"
        raise InputError(
            f"{ask.path} has inputs of {theirs}, but this run expects {ours}. Select a region with {part}, and train "
            "on it"
        )


def _classes(ask: Ask, say: Callable[[str], None], progress: Progress) -> tuple[Ask, int]:
    """Return the ask at the revision of the layout that reads the dataset, and the number of classes."""
    for revision in range(ask.layout, REVISED_LAYOUT + 1):
        revised = replace(ask, layout=revision)
        if cached := cache.find(revised, ask.fingerprint):
            if inspection.is_current(revised, cached):
                return revised, len(cached.manifest.class_names)
            ask = replace(ask, layout=REVISED_LAYOUT)  # revision 1 read empty labels as a class
    source = opening.first(ask, opening.newest(ask, say))
    if source.class_names:
        return ask, len(set(source.class_names) - set(ask.unlabelled))
    try:
        return ask, len(prepare(ask, say, progress, source=source).manifest.class_names)
    except Revised:
        revised = replace(ask, layout=REVISED_LAYOUT)
        return revised, len(prepare(revised, say, progress).manifest.class_names)


def named_by_all_files(path: str, config: RunConfig) -> bool:
    """Return whether a run of an earlier version, which named a folder by all its files, used this folder."""
    return config.layout_revision == LAYOUT and files.of_all(path) == config.fingerprint


def understood(config: RunConfig, ask: Ask, say: Callable[[str], None]) -> Understood:
    """Return the summary of a run's dataset before it is read, from the cache if it is there.

    Raises InputError for a file of labels that does not fit the dataset in the cache.
    """
    if cached := cache.find(ask, ask.fingerprint):
        given.of(config, cached)  # raises InputError for a file of labels that does not fit
        found = inspection.of_cached(config, ask, cached, holdout.members_of(config, cached), image=config.image)
    else:
        found = _of_source(config, ask, say, image=config.image)
    return _with_noise(found, config)


def _with_noise(found: Understood, config: RunConfig) -> Understood:
    """Return the summary with a note for each kind of noise that a run is trained under."""
    notes = (f"{name}: {text}" for name, text in noisy.sentences(config).items())
    return replace(found, notes=(*found.notes, *notes))


def inspected(request: Mapping[str, Any], say: Callable[[str], None]) -> Understood:
    """Return the summary of a dataset without a run. Nothing is read except labels on this machine."""
    effects.require(request)
    row, name = dataset_row(request["dataset"]), dataset_name(request["dataset"])
    defaults: dict[str, Any] = {"split_seed": row.split_seed, "val_fraction": row.val_fraction} if row else {}
    defaults |= (
        {"test_fraction": row.test_fraction or None} if row and not request.keys() & {"test_split", "folds"} else {}
    )
    fields = {field.name for field in dataclasses.fields(Data)}
    given = {key: value for key, value in request.items() if key in fields}
    settings = Data(
        **{**defaults, **given, "dataset": name, "classes": 1, "task": row.task if row else "classification"}
    )
    checks.check_folds(settings)
    ask = located(ask_of({**request, "dataset": name}, **where(request)))
    for revision in range(ask.layout, REVISED_LAYOUT + 1):
        revised = replace(ask, layout=revision)
        if (cached := cache.find(revised, ask.fingerprint)) and inspection.is_current(revised, cached):
            return inspection.of_cached(settings, revised, cached, holdout.members_of(settings, cached))
    try:
        return _of_source(settings, ask, say)
    except Revised:
        return _of_source(settings, replace(ask, layout=REVISED_LAYOUT), say)


def _of_source(settings: Data, ask: Ask, say: Callable[[str], None], *, image: Extent | None = None) -> Understood:
    """Return the summary of a dataset that is not in the cache."""
    if ask.row and ask.hub:
        return inspection.of_row(settings, ask, image=image)
    source = opening.first(ask, opening.newest(ask, say))
    return inspection.of_source(settings, ask, with_test(source), image=image)


def described(config: RunConfig, cached: Cached, made: Splits) -> Understood:
    """Return the summary of a run's data after its splits are made."""
    members = holdout.Members(
        made.train.members, made.val.members, made.test.members, made.record.get("val_from", "train"),
        made.record["test_from"],
    )  # fmt: skip
    found = inspection.of_cached(config, cached.ask, cached, members, image=config.image, statistics=made.record)
    return _with_noise(found, config)


def splits(
    config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None], *, stored: Stored | None = None
) -> Splits:
    """Return train, validation and test of a run, as `division.splits` makes them.

    torch is imported here, not with this module.
    """
    from .splits import division

    return division.splits(config, place, cached, say, stored=stored)


def whole(
    config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None], names: Sequence[str], *,
    statistics: tuple[Any, Any] | None = None,
) -> Split:  # fmt: skip
    """Return every row of a source for testing, as `division.whole` makes them."""
    from .splits import division

    return division.whole(config, place, cached, say, names, statistics=statistics)


__all__ = [
    "Ask", "Cached", "Understood", "ask_of", "asked", "at", "dataset_name", "described", "facts", "fingerprint",
    "inspected", "named_by_all_files", "prepare", "require_inputs", "splits", "understood", "where", "whole",
]  # fmt: skip
