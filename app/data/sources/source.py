"""The source of rows: one description for the Hub, folders, files of fields and signals, and digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ...tables.datasets import DatasetRow
from ...tables.decoding import Decoding
from ...tables.reading import FieldReading, Reading
from ...tables.revisions import REVISED_LAYOUT
from ...tables.shape import Extent
from .layout import Layout


class Example(NamedTuple):
    """One row of the source. A `label` of None or -1 means unlabelled."""

    image: bytes | np.ndarray | InputError  # an InputError: the reason why its file cannot be opened
    label: Any
    group: Any
    file: str = ""  # that file, or the source's name for it
    weight: int = 0  # bytes of the image in memory, if it is read from its file

    @property
    def size(self) -> int:
        """The bytes of the image before decoding."""
        if isinstance(self.image, InputError):
            return 0
        return self.weight or (self.image.nbytes if isinstance(self.image, np.ndarray) else len(self.image))

    def content(self) -> bytes | np.ndarray:
        """Return the image before decoding. Raise InputError if its file cannot be opened."""
        if isinstance(self.image, InputError):
            raise self.image
        return self.image


class Array(NamedTuple):
    """Inputs that are not images. They are stored unchanged, and their channels have no statistics."""

    dtype: str  # float32 | float16
    shape: tuple[int, ...]  # of one input: (C, H, W), or (1, L) of a signal
    decode: Callable[[Example], np.ndarray | None]  # None: left out, and named in
    left_out: list[str]  # files that cannot be read


def later(default: Any) -> Any:
    """Declare a field of an Ask that earlier versions lacked. At its default it is omitted from a cache's name."""
    return field(default=default, metadata={"later": True})


class Revised(InputError):
    """A dataset is read differently from revision 1 of the layout, which a run asks for."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}. This run is of layout revision 1, whose reading is no longer supported. Evaluate its stored "
            "predictions (without --again), or retrain it with --fresh"
        )


class Hidden(InputError):
    """A split has no labels."""

    def __init__(self, message: str, split: str, rows: int) -> None:
        super().__init__(message)
        self.split, self.rows = split, rows


@dataclass(frozen=True, kw_only=True)
class Ask:
    """The request for a dataset. Together with the version that is found, it names a cache.

    `path` is the place of a local dataset. It is not part of the cache's name, but the content there is.
    """

    dataset: str
    row: DatasetRow | None = field(compare=False)
    path: str | None = field(default=None, compare=False)
    fingerprint: str | None = field(default=None, compare=False)  # of the folder's content, if it is known already
    config: str | None
    revision: str
    image_column: str | None
    label_column: str | None
    group_column: str | None
    side: Extent
    channels: int
    carve_test: bool  # the source's test split is not read
    # Of images. At its default each field is omitted from a cache's name, so that earlier caches keep their names.
    class_level: str = later("1")  # of a folder of images: 1 | 2 | last
    split_folders: str | None = later(None)
    val_split: str | None = later(None)  # the source's name of the split
    test_split: str | None = later(None)
    layout: int = later(1)  # revision of the rules by which files become rows
    tested: bool = later(False)  # a folder, or its test split, only tests a run on other data
    reading: Reading | None = field(default=None, compare=False)  # of fields and signals; names their caches only
    decoding: Decoding = field(default=Decoding(), compare=False)  # of images; names their caches
    design: str | None = field(default=None, compare=False)  # the CSV of the fields' targets
    filelist: str | None = field(default=None, compare=False)  # the lists of the fields' splits

    @property
    def hub(self) -> str | None:
        """The Hub's owner/name, or None if the dataset is not on the Hub."""
        if self.row:
            return self.row.hub
        return None if self.path else self.dataset

    def tested_whole(self) -> Ask:
        """Return the ask with all rows for testing.

        For a folder of images with a test split, only that split is used.
        """
        if not self.reading:
            return replace(self, tested=True, layout=REVISED_LAYOUT, fingerprint=None)
        return replace(self, reading=replace(self.reading, whole=True), fingerprint=None)

    @property
    def grouped(self) -> bool:
        """Whether rows belong to groups that are never divided between splits.

        The groups are those of a column, or the simulations of fields.
        """
        return self.group_column is not None or isinstance(self.reading, FieldReading)

    @property
    def itemsize(self) -> int:
        """The bytes of one number of an input in the cache."""
        return {None: 1, "float16": 2}.get(self.reading.stored_dtype if self.reading else None, 4)

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Class names that mean "no label"."""
        return self.row.unlabelled if self.row else ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """An opened dataset. No row of it is read yet."""

    version: str  # the Hub's commit, a folder's fingerprint, a library's version
    rows: Mapping[str, int | None]  # split ("train", "val", "test") -> rows, None: unknown before reading
    class_names: tuple[str, ...] | None  # None: labels are not class indices and are gathered while reading
    examples: Callable[[str], Iterator[Example]]
    licence: str = "unknown"
    disk_bytes: int = 0  # the most disk space that the source's files take while they are read
    notes: tuple[str, ...] = ()  # printed once
    column: str = "the labels"  # the origin of the labels
    array: Array | None = None  # None: images
    regression: bool = False  # labels are numbers, and the one class name is the target's
    layout: Callable[[], Layout] = Layout  # origin of splits, and what is left out; complete after reading
    outline: Callable[[str], Iterator[Example]] | None = None  # examples without their images, if these cost little
    without_test: Callable[[int], Source] | None = None  # with another test split, if no test row has a label

    def class_indices(self, unlabelled: tuple[str, ...]) -> dict[Any, int]:
        """Return the source's label -> our class index, for the classes that are labels."""
        labels = [label for label, name in enumerate(self.class_names or ()) if name not in unlabelled]
        return {label: index for index, label in enumerate(labels)}
