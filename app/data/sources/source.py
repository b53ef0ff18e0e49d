"""Where rows come from: one description for the Hub, for folders, for files of fields and signals, and for digits."""

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
    """One row as the source has it; `label` None or -1 is unlabelled."""

    image: bytes | np.ndarray | InputError  # or why its file cannot be opened
    label: Any
    group: Any
    file: str = ""  # that file, or what the source calls it
    weight: int = 0  # bytes that it takes once it is read, where the image is read from its file

    @property
    def size(self) -> int:
        """Bytes of the image as it came."""
        if isinstance(self.image, InputError):
            return 0
        return self.weight or (self.image.nbytes if isinstance(self.image, np.ndarray) else len(self.image))

    def content(self) -> bytes | np.ndarray:
        """Return the image as it came; raise InputError where its file cannot be opened."""
        if isinstance(self.image, InputError):
            raise self.image
        return self.image


class Array(NamedTuple):
    """Inputs that are no images: they are stored as they are, and no statistics are taken of them."""

    dtype: str  # float32 | float16
    shape: tuple[int, ...]  # of one input: (C, H, W), or (1, L) of a signal
    decode: Callable[[Example], np.ndarray | None]  # None: left out, and named in
    left_out: list[str]  # files that cannot be read


def later(default: Any) -> Any:
    """Declare a field of an Ask that an earlier version lacked: at its default it is left out of a cache's name."""
    return field(default=default, metadata={"later": True})


class Revised(InputError):
    """A dataset is read otherwise than by revision 1 of the layout, which a run asks for."""

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
    """What a command asks for in a dataset; together with the version found it names a cache.

    `path` says where a local dataset lies and takes no part in its name: its content does.
    """

    dataset: str
    row: DatasetRow | None = field(compare=False)
    path: str | None = field(default=None, compare=False)
    fingerprint: str | None = field(default=None, compare=False)  # of the folder's content, where it is known already
    config: str | None
    revision: str
    image_column: str | None
    label_column: str | None
    group_column: str | None
    side: Extent
    channels: int
    carve_test: bool  # the source's own test split is not read
    # Of images. At its default each is left out of a cache's name, so that earlier caches keep theirs.
    class_level: str = later("1")  # of a folder of images: 1 | 2 | last
    split_folders: str | None = later(None)
    val_split: str | None = later(None)  # the source's name of the split
    test_split: str | None = later(None)
    layout: int = later(1)  # revision of the rules by which files become rows
    tested: bool = later(False)  # all of a folder, or its test split, is for testing a run on other data
    reading: Reading | None = field(default=None, compare=False)  # of fields and signals; names their caches only
    decoding: Decoding = field(default=Decoding(), compare=False)  # of images; names their caches
    design: str | None = field(default=None, compare=False)  # the CSV of the fields' targets
    filelist: str | None = field(default=None, compare=False)  # the lists of the fields' splits

    @property
    def hub(self) -> str | None:
        """The Hub's owner/name, None where the dataset is not on the Hub."""
        if self.row:
            return self.row.hub
        return None if self.path else self.dataset

    def tested_whole(self) -> Ask:
        """The same, all of it for testing; of a folder of images with a test split, that split."""
        if not self.reading:
            return replace(self, tested=True, layout=REVISED_LAYOUT, fingerprint=None)
        return replace(self, reading=replace(self.reading, whole=True), fingerprint=None)

    @property
    def grouped(self) -> bool:
        """Whether rows belong to groups, each of which stays in one split: a column's, or the fields' simulations."""
        return self.group_column is not None or isinstance(self.reading, FieldReading)

    @property
    def itemsize(self) -> int:
        """Bytes of one number of an input in the cache."""
        return {None: 1, "float16": 2}.get(self.reading.stored_dtype if self.reading else None, 4)

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Class names that mean "no label"."""
        return self.row.unlabelled if self.row else ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """An opened dataset of which no row is read yet."""

    version: str  # the Hub's commit, a folder's fingerprint, a library's version
    rows: Mapping[str, int | None]  # split ("train", "val", "test") -> rows, None: unknown before reading
    class_names: tuple[str, ...] | None  # None: labels are not class indices and are gathered while reading
    examples: Callable[[str], Iterator[Example]]
    licence: str = "unknown"
    disk_bytes: int = 0  # that its own files take on the disk at one time while they are read
    notes: tuple[str, ...] = ()  # said aloud once
    column: str = "the labels"  # whose values they are
    array: Array | None = None  # None: images
    regression: bool = False  # labels are numbers, and the one class name is the target's
    layout: Callable[[], Layout] = Layout  # what splits are made from and what is left out, complete after reading
    outline: Callable[[str], Iterator[Example]] | None = None  # examples without their images, where these cost little
    without_test: Callable[[int], Source] | None = None  # with another split for a test of so many rows, none labelled

    def class_indices(self, unlabelled: tuple[str, ...]) -> dict[Any, int]:
        """The source's label -> our class index, for the classes that are labels."""
        labels = [label for label, name in enumerate(self.class_names or ()) if name not in unlabelled]
        return {label: index for index, label in enumerate(labels)}
