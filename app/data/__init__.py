"""The only door to data: what a dataset is (`facts`), its cache (`prepare`), and its three splits (`splits`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import checks, effects
from ..config.facts import DatasetFacts, dataset_facts
from ..config.run import LOOKED_UP, RunConfig
from ..errors import InputError
from ..tables import revisions
from ..tables.datasets import DatasetRow, dataset_row, hub_name, is_local
from ..tables.decoding import decoding_of
from ..tables.protocols import UNKNOWN
from ..tables.reading import FieldReading, reading_of
from ..tables.shape import normal, smaller, with_unit
from .sources import fields, opening, signals
from .sources.opening import at, fingerprint
from .sources.source import Ask, Source
from .splits import holdout
from .store import cache, unreadable
from .store.cache import Cached
from .store.writer import Progress

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
    path = asked if is_local(asked) else None
    ask = ask_of({**request, "dataset": name}, path=path)
    version = fingerprint(ask) if path else None
    ask = replace(ask, fingerprint=version)
    if cached := cache.find(ask, version):
        classes = len(cached.manifest.class_names)
    else:
        classes = _count_classes(ask, say, progress)
    known: dict[str, Any] = (
        {"channels": row.channels, "native": row.native, "kind": row.kind, "task": row.task} if row else {}
    )
    return DatasetFacts(name=name, classes=classes, fingerprint=version, **known)


def _facts_of_files(row: DatasetRow, request: Mapping[str, Any]) -> DatasetFacts:
    """The facts of fields and signals, as the first of the files says them; nothing is cached."""
    ask = ask_of({**request, "dataset": row.name}, **where(request))
    shape = (fields if row.kind == "field" else signals).shape(ask)
    names = (ask.reading.target,) if isinstance(ask.reading, FieldReading) else signals.class_names(ask)
    return DatasetFacts(
        name=row.name, classes=len(names), channels=shape[0], image=normal(shape[1:]), kind=row.kind, task=row.task,
        fingerprint=fingerprint(ask),
    )  # fmt: skip


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


def _count_classes(ask: Ask, say: Callable[[str], None], progress: Progress) -> int:
    """The classes of a dataset that is not in the cache."""
    source = opening.first(ask, opening.newest(ask, say))
    if source.class_names:
        return len(set(source.class_names) - set(ask.unlabelled))
    return len(prepare(ask, say, progress, source=source).manifest.class_names)


def ask_of(
    fields: Mapping[str, Any],
    *,
    path: str | None,
    design: str | None = None,
    filelist: str | None = None,
) -> Ask:
    """Return the ask of a request or of a config's fields; defaults come from the dataset's row.

    A request is read by the present rules. A config names its revisions, or has the first.
    """
    row, reading = dataset_row(fields["dataset"]), reading_of(fields)
    if "classes" not in fields:  # which a config has, and no request
        fields = {**revisions.present(row.name if row else fields["dataset"]), **fields}
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
        reading=reading,
        decoding=decoding_of(fields),
        design=design,
        filelist=filelist,
    )


def prepare(
    ask: Ask,
    say: Callable[[str], None],
    progress: Progress,
    *,
    version: str | None = None,
    digest: str | None = None,
    source: Source | None = None,
) -> Cached:
    """Return the dataset in the cache, verified; it is read from its source if it is not there.

    `version` and `digest` are those of a run which is resumed or evaluated. Raises Damaged for a damaged cache and for
    other arrays, DiskFull for a disk that cannot hold it, InputError for rows that cannot be used, and Unavailable for
    a silent Hub with nothing cached.
    """
    version = version or (source.version if source else opening.newest(ask, say))
    if found := cache.find(ask, version):
        return _told(found.verified().require_digest(digest), say)
    source = source or opening.first(ask, version)
    opening.require_version(ask, source, version)
    for note in source.notes:
        say(note)
    for folder in cache.of_streams(ask):
        say(f"{folder} holds no training rows: an earlier version streamed them; `rm -r '{folder}'` frees its bytes")
    return _told(cache.build(ask, source, progress).require_digest(digest), say)


def splits(config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None]) -> Splits:
    """Train, validation and test of a run, as `division.splits` has them; the first that needs torch."""
    from .splits import division

    return division.splits(config, place, cached, say)


def whole(config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None], names: Sequence[str]) -> Split:
    """Every row of a source for testing, as `division.whole` has them."""
    from .splits import division

    return division.whole(config, place, cached, say, names)


def _told(cached: Cached, say: Callable[[str], None]) -> Cached:
    """The same, after saying what is not in it, and what became of transparent and of 16-bit images."""
    manifest, dataset = cached.manifest, cached.ask.dataset
    if left_out := manifest.left_out:
        what = "images" if manifest.array is None else "files"
        say(f"{len(left_out):,} {what} of {dataset} cannot be read and are skipped: {unreadable.shown(left_out)}")
    for sentence in manifest.pixels.sentences(dataset) if manifest.pixels else ():
        say(sentence)
    return cached


__all__ = [
    "Ask", "Cached", "ask_of", "at", "dataset_name", "facts", "fingerprint", "prepare", "require_inputs", "splits",
    "where", "whole",
]  # fmt: skip
