"""CSV files that list images.

They have a column of files below the dataset's folder, a column of classes, and one CSV file or one value of a column
per split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

from ...errors import InputError
from ...system.printable import printable
from ...tables.names import suggestion
from ..splits import holdout
from . import csvfile, splits, words
from .csvfile import ENDINGS, Unlike
from .layout import Layout, LeftOut
from .parts import Wishes
from .walk import Walk

LABELS = ("label", "labels", "fine_label", "class", "target", "category", "cls")  # names of columns
_MOST = 0.5  # share of a column's values that must be files, so that it lists images


class Row(NamedTuple):
    """A row of a list: an image, its label as a string (empty: none), its group."""

    path: str
    label: str
    group: str | None
    line: int


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The rows with a label in CSV files, by split, the files that are read, and what is left out."""

    rows: Mapping[str, Sequence[Row]]
    files: tuple[str, ...]  # the lists
    label: str  # the column
    layout: Layout


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that a command names."""

    image: str | None = None
    label: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class _List:
    """A CSV file with its columns as strings, and the column of files that are images below the folder.

    If a column gives the split of each row, there is one _List for each split.
    """

    path: str
    columns: Mapping[str, Sequence[str]]
    files: str
    found: Sequence[str | None]  # the image of each row
    split: str | None = None  # of all its rows, if a column gives it
    by: str = ""  # that column

    @property
    def text(self) -> str:
        """The file as text, and which of its rows are used."""
        return f"{self.path} (rows of {self.split} in column {self.by})" if self.by else self.path

    def label(self, asked: Columns) -> str | None:
        """Return the column of the labels, or None if it is ambiguous."""
        others = [name for name in self.columns if name not in (self.files, asked.group)]
        named = [name for name in others if name.lower() in LABELS]
        if asked.label:
            return asked.label if asked.label in others else None
        return named[0] if len(named) == 1 else others[0] if len(others) == 1 else None


def read(walk: Walk, asked: Columns, wishes: Wishes) -> Listing | None:
    """Return the listing of a folder's CSV files, or None if none lists its images.

    Raises InputError if it is ambiguous.
    """
    files = [path for path in walk.others if path.lower().endswith(ENDINGS)]
    if not files or not walk.top.count:
        return None
    find = _finder(list(walk.top.all_images()))
    lists = [found for path in files if (found := _listed(walk, path, find, asked))]
    lists = [each for each in lists if "submission" not in each.path.lower()]
    if not lists:
        return None
    lists = [part for each in lists for part in _by_column(walk, each, asked)]
    if any(each.by for each in lists) and len({each.path for each in lists}) > 1:
        named = _shown(dict.fromkeys(each.text for each in lists))
        raise InputError(
            f"{walk.root} has several lists of images, and one of them has a column of splits: {named}. Move one "
            "elsewhere"
        )
    if lists[0].by:
        return _divided(walk, {each.split or "train": [each] for each in lists}, asked, wishes)
    by_split = words.of_files([each.path.split("/") for each in lists])
    chosen = {split: [lists[at] for at in places] for split, places in by_split.items() if split}
    return _divided(walk, chosen, asked, wishes)


def _finder(images: Sequence[str]) -> Callable[[str, str, str | None], str | None]:
    """Return a function that maps a value, the folder of its list and a split to the image that the value names."""
    exact = set(images)
    by_name: dict[str, list[str]] = {}
    for image in images:
        name = image.rpartition("/")[2]
        for key in {name, name.rpartition(".")[0]}:
            by_name.setdefault(key, []).append(image)

    def find(value: str, folder: str, split: str | None) -> str | None:
        value = value.replace("\\", "/").removeprefix("./")
        for path in (f"{folder}/{value}" if folder else value, value):
            if path in exact:
                return path
        named = by_name.get(value.rpartition("/")[2], [])
        ends = [image for image in named if image.endswith(f"/{value}") or f"/{image}".startswith(f"/{value}.")]
        named = ends or named
        if len(named) > 1:
            named = [image for image in named if split in map(words.split_of, image.split("/")[:-1])]
        return named[0] if len(named) == 1 else None

    return find


def _listed(walk: Walk, path: str, find: Callable[[str, str, str | None], str | None], asked: Columns) -> _List | None:
    """Return the list in a CSV file, or None if no column has names of images."""
    columns = csvfile.table(walk.root, path)
    folder, _, name = path.rpartition("/")
    split = words.split_of(name.rpartition(".")[0])
    best: _List | None = None
    for column in [asked.image] if asked.image in columns else columns:
        assert column is not None
        values = columns[column]
        found = [find(value, folder, split) if value else None for value in values]
        hits = sum(image is not None for image in found)
        if values and hits >= _MOST * len(values) and hits > sum(map(bool, best.found if best else ())):
            best = _List(path, columns, column, found)
    if best and find(best.files, folder, split):
        raise Unlike(
            f"the first line of {printable(str(walk.root / path))} names an image ({printable(best.files)}) and no "
            "columns. Write a first line such as file_name,label"
        )
    return best


def _by_column(walk: Walk, each: _List, asked: Columns) -> list[_List]:
    """Return the list, or one part of it per split if a column gives the split of each row.

    Raises InputError if the column has other values too.
    """
    kept = (each.files, asked.label, asked.group)
    for name in [name for name in each.columns if name not in kept]:
        values = each.columns[name]
        found = {value: words.split_of(value) for value in values}
        there = {split for split in found.values() if split}
        if "train" not in there or len(there) < 2:
            continue
        if strange := [value for value, split in found.items() if not split]:
            if name.lower() not in splits.COLUMNS:
                continue
            raise InputError(
                f"column {name} of {walk.root / each.path} has splits and other values: {_shown(strange[:3])}. Write "
                "train, val or test in each row, and omit rows of no split"
            )
        return [_part(each, name, split, [found[value] == split for value in values]) for split in sorted(there)]
    return [each]


def _part(each: _List, column: str, split: str, taken: Sequence[bool]) -> _List:
    """Return the selected rows of a list, without the column that gives their split."""
    columns = {name: [*compress(values, taken)] for name, values in each.columns.items() if name != column}
    return _List(each.path, columns, each.files, [*compress(each.found, taken)], split, column)


def _divided(walk: Walk, chosen: Mapping[str, Sequence[_List]], asked: Columns, wishes: Wishes) -> Listing | None:
    if "train" not in chosen:
        chosen = {"train": next(iter(chosen.values()))}
    columns: dict[str, str] = {}
    for split, lists in chosen.items():
        if len(lists) > 1:
            named = " and ".join(printable(each.path) for each in lists[:2])
            raise InputError(f"{named} of {walk.root} both list images of {split}. Move one of them elsewhere")
        column = lists[0].label(asked)
        if column and (split == "train" or {*lists[0].columns[column]} - {"", "-1"}):
            columns[split] = column
    if "train" not in columns:
        _require_no_columns(walk, chosen["train"][0], asked)
        return None
    lists_of = {split: lists[0] for split, lists in chosen.items()}
    for option, name in (("--val-split", wishes.val), ("--test-split", wishes.test)):
        if name and words.split_of(name) not in columns:
            raise InputError(
                f"{option} {name}: {walk.root} has no such list with labels. Valid values: {_shown(columns)}"
            )
    val, test = (words.split_of(name) if name else None for name in (wishes.val, wishes.test))
    roles = holdout.published(list(columns), carve_test=wishes.carve_test, val=val, test=test)
    rows = {ours: list(_rows(walk, lists_of[split], columns[split], asked.group)) for ours, split in roles.items()}
    _require_once(walk, rows)
    return Listing(
        rows=rows, files=tuple(dict.fromkeys(each.path for each in lists_of.values())), label=columns["train"],
        layout=_layout(walk, lists_of, columns, roles),
    )  # fmt: skip


def _shown(found: Iterable[str]) -> str:
    return ", ".join(map(printable, found))


def _require_no_columns(walk: Walk, each: _List, asked: Columns) -> None:
    """Raise InputError for a list without a clear label column.

    If the command names no column, the error is Unlike, which class folders can replace, and a list with only a column
    of files is ignored.
    """
    names = [name for name in each.columns if name != each.files]
    if names and not (asked.label or asked.image):
        raise Unlike(
            f"{walk.root / each.path} lists images, but which column is the label is not clear. Name it with "
            f"--label-column. Valid values: {_shown(names[:10])}"
        )
    if asked.label or asked.image:
        what = f"has no column {asked.label!r}" if asked.label else "has no column that is clearly the label"
        raise InputError(f"{walk.root / each.path} {what}. {suggestion(asked.label or '', names)}")


def _rows(walk: Walk, each: _List, label: str, group: str | None) -> Iterator[Row]:
    """Yield the rows of a list. Raise InputError if some of its files do not exist."""
    where = walk.root / each.path
    values = each.columns[each.files]
    if missing := [value for value, image in zip(values, each.found, strict=True) if image is None]:
        raise InputError(
            f"{len(missing):,} of the {len(values):,} files in column {each.files} of {where} are not below "
            f"{walk.root}, or several have that name: {', '.join(map(printable, missing[:3]))}. Fix these names"
        )
    if group and group not in each.columns:
        raise InputError(f"{where} has no column {group!r}. {suggestion(group, list(each.columns))}")
    groups: Sequence[Any] = each.columns[group] if group else [None] * len(values)
    for number, (image, text, of) in enumerate(zip(each.found, each.columns[label], groups, strict=True), start=2):
        assert image is not None
        yield Row(image, text, of, number)


def _require_once(walk: Walk, rows: Mapping[str, Sequence[Row]]) -> None:
    """Raise InputError for an image that is listed twice."""
    seen: dict[str, str] = {}
    for split, listed in rows.items():
        for row in listed:
            if row.path in seen:
                both = "twice" if seen[row.path] == split else f"in {seen[row.path]} and in {split}"
                raise InputError(f"{printable(row.path)} of {walk.root} is listed {both}. Keep one row per image")
            seen[row.path] = split


def _layout(walk: Walk, lists: Mapping[str, _List], columns: Mapping[str, str], roles: Mapping[str, str]) -> Layout:
    named = {image for each in lists.values() for image in each.found if image}
    found = []
    for split, each in lists.items():
        if split not in roles.values():
            why = (
                f"listed in {each.text}, which is not used"
                if split in columns
                else f"listed in {each.text} without labels"
            )
            found.append(LeftOut.of("images", why, [image for image in each.found if image]))
    paths = {each.path for each in lists.values()}
    found += [
        LeftOut.of("images", "in no list", [image for image in walk.top.all_images() if image not in named]),
        LeftOut.of("files", "neither images nor lists of images",
                   [path for path in walk.others if path not in paths]),
    ]  # fmt: skip
    notes = [f"images are the column {lists['train'].files}, classes the column {columns['train']}"]
    if roles.get("test") == "val":
        notes.append(f"there is no list for testing: {lists['val'].text} is the test set")
    places = {ours: printable(str(walk.root / lists[split].text)) for ours, split in roles.items()}
    return Layout(places=places, left_out=tuple(each for each in found if each.count), notes=tuple(notes))
