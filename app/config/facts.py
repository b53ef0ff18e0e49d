"""DatasetFacts: the facts about a dataset that a config needs before the dataset is read."""

from __future__ import annotations

from dataclasses import dataclass

from ..tables.datasets import DatasetRow
from ..tables.shape import Extent


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """The facts about a dataset that a config needs. `fingerprint` is a local dataset's content."""

    name: str
    classes: int
    channels: int = 3
    native: Extent | None = None  # None: unknown, so images are stored at the side of the model's input
    fingerprint: str | None = None
    kind: str = "image"  # image | field | signal
    image: Extent | None = None  # of fields and signals, which a model reads as their files contain them
    task: str = "classification"  # classification | regression
    layout_revision: int = 1  # of the rules by which the dataset is read; 1 if revision 1 read it in the same way


def dataset_facts(row: DatasetRow) -> DatasetFacts:
    """Return the facts of a dataset with a row, without opening a file."""
    return DatasetFacts(
        name=row.name, classes=row.classes, channels=row.channels, native=row.native, kind=row.kind, task=row.task
    )
