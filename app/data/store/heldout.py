"""Preparing a set that is too large to keep: one pass that writes validation and test, and measures what streams by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...system import durable
from ..sources.source import Ask, Source
from ..splits.membership import Membership
from .writer import Decoded, Kept, Progress, Room, decoded, write_labels

_BUFFER_BYTES = 1 << 28  # of images in the shuffle buffer; `datasets` holds two to three times as much in passing
_ROW_BYTES = 1 << 10  # that a row takes in it beside its image


@dataclass
class _Passed:
    """What is remembered of the source's train: all labels and bytes, and the moments of the rows to train on."""

    rows: int = 0
    moments: Any = 0  # int64 (C, 2), summed
    labels: set[Any] = field(default_factory=set)
    seen: int = 0
    unlabelled: int = 0
    held: int = 0  # bytes that the rows would take in the shuffle buffer

    @property
    def buffer(self) -> int:
        """Rows that the shuffle buffer has room for."""
        return max(1, _BUFFER_BYTES // (_ROW_BYTES + self.held // self.seen))

    def require_parts(self, *held_out: int) -> None:
        """Raises InputError where a split would be empty."""
        if not self.rows or not all(held_out):
            labelled = self.seen - self.unlabelled
            raise InputError(f"{labelled:,} labelled rows are too few to hold out validation and test by their content")


def membership(ask: Ask, source: Source) -> Membership:
    """How the source's train is divided: its test share is carved only where the source has no test of its own."""
    assert ask.membership
    return ask.membership.without_test() if "test" in source.rows else ask.membership


def expected(ask: Ask, source: Source) -> int:
    """About how many rows are held out of a source that says how many it has."""
    share = membership(ask, source).share
    return int((source.rows["train"] or 0) * share) + (source.rows.get("test") or 0)


def write(ask: Ask, source: Source, folder: Path, progress: Progress, room: Room) -> dict[str, Any]:
    """Writes validation and test; returns what the manifest says of them and of the rows that are streamed.

    Every row is decoded, so that none is found unreadable in the middle of training. Raises InputError for unusable
    rows, TooLarge when the held-out rows take more than the room.
    """
    own_test = "test" in source.rows
    with durable.no_space_named(folder):
        with ExitStack() as files:
            kept = {
                split: Kept(files.enter_context((folder / f"{split}-images.u8").open("wb")))
                for split in ("val", "test")
            }
            for row in decoded(ask, source, "test", progress) if own_test else ():
                kept["test"].put(row, room)
            unlabelled = {"test": kept["test"].seen - len(kept["test"].labels)} if own_test else {}
            if own_test:
                kept["test"].save(ask, "test", folder)
            passed = _divide(decoded(ask, source, "train", progress), membership(ask, source), kept, room)
        passed.require_parts(*(len(part.labels) for part in kept.values()))
        for split in ("val",) if own_test else ("val", "test"):
            kept[split].save(ask, split, folder)
        names = write_labels(ask, source, kept, folder, present=passed.labels)
    return {
        "version": source.version,
        "rows": {"train": passed.rows, **{split: len(part.labels) for split, part in kept.items()}},
        "unlabelled": {"train": passed.unlabelled, **unlabelled},
        "class_names": names,
        "licence": source.licence,
        "stream": {
            "buffer": passed.buffer,
            "moments": passed.moments.tolist(),
            "test_from": "test" if own_test else "train",
        },
    }


def _divide(rows: Iterator[Decoded], split_of: Membership, kept: dict[str, Kept], room: Room) -> _Passed:
    """Keeps the held-out rows of the source's train and passes over the others."""
    passed = _Passed()
    for row in rows:
        example = row.example
        passed.seen += 1
        passed.held += 0 if example.apart else example.size
        if row.moments is None:
            passed.unlabelled += 1
            continue
        passed.labels.add(example.label)
        split = split_of(example.image, example.group)
        if split == "train":
            passed.rows += 1
            passed.moments = passed.moments + row.moments
        else:
            kept[split].put(row, room)
    return passed
