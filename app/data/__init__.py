"""The only door to data: what a dataset is (`facts`), its cache (`prepare`), and its three splits (`splits`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import checks, effects
from ..config.facts import DatasetFacts, dataset_facts
from ..config.run import LOOKED_UP, RunConfig
from ..config.settings import Data
from ..errors import InputError
from ..tables.datasets import DatasetRow, dataset_row, hub_name, is_local
from ..tables.protocols import UNKNOWN
from ..tables.reading import FieldReading, reading_of
from ..tables.revisions import LAYOUT, REVISED_LAYOUT
from ..tables.shape import Extent, normal, smaller, with_unit
from . import inspection
from .sources import fields, files, folders, opening, signals
from .sources.files import printable
from .sources.opening import at, fingerprint
from .sources.source import Ask, Hidden, Revised, Source
from .splits import holdout
from .store import cache
from .store.cache import Cached
from .store.writer import Progress
from .understood import Understood

if TYPE_CHECKING:
    from .splits.division import Splits
    from .splits.resident import Holder, Split


def dataset_name(asked: str) -> str:
    """The dataset's one name: the table's, the Hub's owner/name, or local/folder."""
    if row := dataset_row(asked):
        return row.name
    return f"local/{Path(asked).expanduser().resolve().name}" if is_local(asked) else hub_name(asked)


def facts(request: Mapping[str, Any], say: Callable[[str], None], progress: Progress) -> DatasetFacts:
    """What a config needs to know of the dataset asked for; a known dataset is not even opened.

    Any other is looked up in the cache, then in the Hub's metadata; where labels are no class indices it is read.
    """
    asked = request["dataset"]
    name, row = dataset_name(asked), dataset_row(asked)
    effects.require(request)
    checks.check_name(name)
    if row and row.kind != "image":
        return _facts_of_files(row, request)
    if row and not request.keys() & LOOKED_UP:
        return dataset_facts(row)
    ask = _located(ask_of({**request, "dataset": name}, path=asked if is_local(asked) else None))
    ask, classes = _classes(ask, say, progress)
    known: dict[str, Any] = (
        {"channels": row.channels, "native": row.native, "kind": row.kind, "task": row.task} if row else {}
    )
    return DatasetFacts(name=name, classes=classes, fingerprint=ask.fingerprint, layout_revision=ask.layout, **known)


def _facts_of_files(row: DatasetRow, request: Mapping[str, Any]) -> DatasetFacts:
    """The facts of fields and signals, as the first of the files says them; nothing is cached."""
    ask = ask_of({**request, "dataset": row.name}, **where(request))
    shape = (fields if row.kind == "field" else signals).shape(ask)
    names = (ask.reading.target,) if isinstance(ask.reading, FieldReading) else signals.class_names(ask)
    return DatasetFacts(
        name=row.name, classes=len(names), channels=shape[0], image=normal(shape[1:]), kind=row.kind, task=row.task,
        fingerprint=fingerprint(ask), layout_revision=_revision_of_files(ask),
    )  # fmt: skip


def _revision_of_files(ask: Ask) -> int:
    """The revision of the layout that divides files of fields or signals."""
    return LAYOUT if isinstance(ask.reading, FieldReading) else signals.revision(ask)


def require_inputs(ask: Ask, config: RunConfig) -> None:
    """Raises InputError unless the files give inputs as a run's own did."""
    shape = (fields if isinstance(ask.reading, FieldReading) else signals).shape(ask)
    if shape != config.input_shape:
        theirs, ours = with_unit(normal(shape[1:])), with_unit(config.image)
        part = "--crop" if isinstance(ask.reading, FieldReading) else "--range"
        raise InputError(f"{ask.path} gives inputs of {theirs}, the run takes {ours}; train on a part with {part}")


def where(request: Mapping[str, Any]) -> dict[str, Any]:
    """Where a request's local dataset lies, as `ask_of` takes it; None for one of the Hub and for what is bundled."""
    row = dataset_row(request["dataset"])
    if row and row.kind != "image":
        return {"path": request["data"], "design": request.get("design"), "filelist": request.get("filelist")}
    return {"path": request["dataset"] if is_local(request["dataset"]) else None}


def _classes(ask: Ask, say: Callable[[str], None], progress: Progress) -> tuple[Ask, int]:
    """Return the ask at the revision of the layout that reads the dataset, and how many classes it has."""
    for revision in range(ask.layout, REVISED_LAYOUT + 1):
        revised = replace(ask, layout=revision)
        if cached := cache.find(revised, ask.fingerprint):
            if inspection.is_current(revised, cached):
                return revised, len(cached.manifest.class_names)
            ask = replace(ask, layout=REVISED_LAYOUT)  # revision 1 took empty labels for a class
    source = opening.first(ask, opening.newest(ask, say))
    if source.class_names:
        return ask, len(set(source.class_names) - set(ask.unlabelled))
    try:
        return ask, len(prepare(ask, say, progress, source=source).manifest.class_names)
    except Revised:
        revised = replace(ask, layout=REVISED_LAYOUT)
        return revised, len(prepare(revised, say, progress).manifest.class_names)


def ask_of(
    fields: Mapping[str, Any],
    *,
    path: str | None,
    design: str | None = None,
    filelist: str | None = None,
) -> Ask:
    """Return the ask of a request or of a config's fields; defaults come from the dataset's row."""
    row, reading = dataset_row(fields["dataset"]), reading_of(fields)
    image = fields.get("image") or UNKNOWN.image
    return Ask(
        dataset=fields["dataset"],
        row=row,
        path=path,
        fingerprint=fields.get("fingerprint"),
        config=fields.get("dataset_config") or (row.config if row else None),
        revision=fields.get("revision") or "main",
        image_column=fields.get("image_column") or (row.image_column if row else None),
        label_column=fields.get("label_column") or (row.label_column if row else None),
        group_column=fields.get("group_column"),
        side=normal(image) if reading else smaller(image, row.native if row else None),
        channels=len(reading.fields) if isinstance(reading, FieldReading) else row.channels if row else 3,
        carve_test=holdout.takes_test_from_train(fields, row),
        class_level=fields.get("class_level") or "1",
        split_folders=fields.get("split_folders"),
        val_split=fields.get("val_split"),
        test_split=fields.get("test_split"),
        layout=fields.get("layout_revision") or 1,
        reading=reading,
        design=design,
        filelist=filelist,
    )


def prepare(
    ask: Ask,
    say: Callable[[str], None],
    progress: Progress,
    *,
    version: str | None = None,
    source: Source | None = None,
) -> Cached:
    """Return the dataset in the cache, verified; it is read from its source if it is not there.

    `version` is that of a run which is resumed. Raises InputError for a damaged cache, for a disk that cannot hold it,
    for rows that cannot be used, and for a silent Hub with nothing cached.
    """
    version = version or (source.version if source else opening.newest(ask, say))
    if found := cache.find(ask, version):
        return _told(found.verified(), say)
    source = source or opening.first(ask, version)
    source = _with_test(opening.at_version(ask, source, version))
    for note in source.notes:
        say(note)
    for folder in cache.of_streams(ask):
        say(f"{folder} holds no training rows: an earlier version streamed them; `rm -r '{folder}'` frees its bytes")
    return _told(_built(ask, source, say, progress), say)


def _with_test(source: Source) -> Source:
    """The source, or the same with another split for its test, where that has no labels and these cost little."""
    if not (source.without_test and source.outline):
        return source
    try:
        for _ in source.outline("test"):
            pass
    except Hidden as hidden:
        return replace(source.without_test(hidden.rows), version=source.version)
    return source


def _built(ask: Ask, source: Source, say: Callable[[str], None], progress: Progress) -> Cached:
    """The cache of a source, or of the same with another split for its test, where that has no labels."""
    try:
        return cache.build(ask, source, progress)
    except Hidden as hidden:
        if hidden.split != "test" or not source.without_test:
            raise
        count = hidden.rows
    source = replace(source.without_test(count), version=source.version)
    for note in source.notes:
        say(note)
    return cache.build(ask, source, progress)


def named_by_all_files(path: str, config: RunConfig) -> bool:
    """Whether a run of an earlier version, which named a folder by all its files, is on this folder as it is."""
    return config.layout_revision == LAYOUT and files.of_all(path) == config.fingerprint


def understood(config: RunConfig, ask: Ask, say: Callable[[str], None]) -> Understood:
    """What is understood of a run's dataset before it is read; from the cache, if it is there."""
    if cached := cache.find(ask, ask.fingerprint):
        return inspection.of_cached(config, ask, cached, holdout.members_of(config, cached), image=config.image)
    return _of_source(config, ask, say, image=config.image)


def inspected(request: Mapping[str, Any], say: Callable[[str], None]) -> Understood:
    """What is understood of a dataset that no run is asked for; it is not read, but labels that lie here are."""
    effects.require(request)
    row, name = dataset_row(request["dataset"]), dataset_name(request["dataset"])
    defaults: dict[str, Any] = {"split_seed": row.split_seed, "val_fraction": row.val_fraction} if row else {}
    defaults |= {"test_fraction": row.test_fraction or None} if row and "test_split" not in request else {}
    fields = {field.name for field in dataclasses.fields(Data)}
    given = {key: value for key, value in request.items() if key in fields}
    settings = Data(**{**defaults, **given, "dataset": name, "classes": 1})
    ask = _located(ask_of({**request, "dataset": name}, **where(request)))
    for revision in range(ask.layout, REVISED_LAYOUT + 1):
        revised = replace(ask, layout=revision)
        if (cached := cache.find(revised, ask.fingerprint)) and inspection.is_current(revised, cached):
            return inspection.of_cached(settings, revised, cached, holdout.members_of(settings, cached))
    try:
        return _of_source(settings, ask, say)
    except Revised:
        return _of_source(settings, replace(ask, layout=REVISED_LAYOUT), say)


def _of_source(settings: Data, ask: Ask, say: Callable[[str], None], *, image: Extent | None = None) -> Understood:
    """What is understood of a dataset that is not in the cache."""
    if ask.row and ask.hub:
        return inspection.of_row(settings, ask, image=image)
    source = opening.first(ask, opening.newest(ask, say))
    return inspection.of_source(settings, ask, _with_test(source), image=image)


def _located(ask: Ask) -> Ask:
    """The same with its fingerprint, and at the revision of the layout that reads it, where it lies here."""
    if not ask.path:
        return ask
    if ask.reading:
        shape = (fields if isinstance(ask.reading, FieldReading) else signals).shape(ask)
        layout = _revision_of_files(ask)
        return replace(ask, fingerprint=fingerprint(ask), layout=layout, side=normal(shape[1:]), channels=shape[0])
    there = folders.content(ask)
    return replace(ask, fingerprint=folders.fingerprint(ask, there), layout=there.revision)


def described(config: RunConfig, cached: Cached, made: Splits) -> Understood:
    """What is understood of the data of a run whose splits are made."""
    members = holdout.Members(
        made.train.members, made.val.members, made.test.members, made.record.get("val_from", "train"),
        made.record["test_from"],
    )  # fmt: skip
    return inspection.of_cached(config, cached.ask, cached, members, image=config.image, statistics=made.record)


def splits(config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None]) -> Splits:
    """Train, validation and test of a run, as `division.splits` has them; the first that needs torch."""
    from .splits import division

    return division.splits(config, place, cached, say)


def whole(config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None], names: Sequence[str]) -> Split:
    """Every row of a source for testing, as `division.whole` has them."""
    from .splits import division

    return division.whole(config, place, cached, say, names)


def _told(cached: Cached, say: Callable[[str], None]) -> Cached:
    """The same, after saying which files are not in it."""
    if left_out := cached.manifest.left_out:
        more = f" and {len(left_out) - 10:,} more" if len(left_out) > 10 else ""
        names = ", ".join(map(printable, left_out[:10]))
        say(f"left out of {cached.ask.dataset}, since they cannot be read: {names}{more}")
    return cached


__all__ = [
    "Ask", "Cached", "Understood", "ask_of", "at", "dataset_name", "described", "facts", "fingerprint", "inspected",
    "named_by_all_files", "prepare", "require_inputs", "splits", "understood", "where", "whole",
]  # fmt: skip
