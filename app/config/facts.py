"""DatasetFacts: what a config needs to know of a dataset before a byte of it is read."""

from __future__ import annotations

from dataclasses import dataclass

from ..tables.datasets import DatasetRow
from ..tables.shape import Extent


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a config needs to know of a dataset; `fingerprint` is a local dataset's content."""

    name: str
    classes: int
    channels: int = 3
    native: Extent | None = None  # None: nothing is known, images are stored at the side the model sees
    fingerprint: str | None = None
    kind: str = "image"  # image | field | signal
    image: Extent | None = None  # of fields and signals, which a model sees as their files hold it
    task: str = "classification"  # classification | regression
    layout_revision: int = 1  # of the rules by which the dataset is read; 1 where revision 1 read it alike


def dataset_facts(row: DatasetRow) -> DatasetFacts:
    """Return the facts of a dataset with a row, of which nothing has to be opened."""
    return DatasetFacts(
        name=row.name, classes=row.classes, channels=row.channels, native=row.native, kind=row.kind, task=row.task
    )
