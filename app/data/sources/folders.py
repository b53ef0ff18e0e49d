"""A local folder as an image dataset: class folders, CSV files that list images, or tables for `datasets`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...system.printable import printable
from ...tables.names import suggestion
from . import csvfile, files, listing, names, tables, tree
from .listing import Columns, Listing
from .parts import Wishes
from .source import Ask, Example, Revised, Source
from .tables import Tables
from .tree import Tree
from .walk import Walk, walk

_FILES_AT_ONCE = 16
_LEFT_OUT = ("--class-level", "--split-folders")


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content of a folder: exactly one of a tree, a listing or tables, and the files that are read."""

    walk: Walk
    tree: Tree | None = None
    listing: Listing | None = None
    tables: Tables | None = None

    @property
    def revision(self) -> int:
        """The revision of the layout that reads the folder."""
        return self.tree.revision if self.tree else self.tables.revision if self.tables else 2

    @property
    def read(self) -> list[str]:
        """The paths of the files that are read, relative to the folder."""
        if self.tree:
            return list(self.tree.images)
        if self.tables:
            return list(self.tables.read)
        assert self.listing
        return [*self.listing.files, *(row.path for rows in self.listing.rows.values() for row in rows)]


def content(ask: Ask) -> Content:
    """Return the content of a folder.

    Raises InputError for a folder that is not an image dataset, and if its structure is ambiguous.
    """
    assert ask.path
    files.folder(ask.path)
    found = walk(Path(ask.path).expanduser())
    wishes = Wishes(
        level=ask.class_level, folders=ask.split_folders, val=ask.val_split, test=ask.test_split,
        carve_test=ask.carve_test, tested=ask.tested,
    )  # fmt: skip
    if there := tables.found(found, carve_test=ask.carve_test):
        _require_none(ask, tables="its tables")
        return Content(walk=found, tables=there)
    try:
        as_tree: Tree | InputError = _tree(ask, found, wishes)
    except InputError as error:
        as_tree = error
    listed = None if ask.split_folders or ask.class_level != "1" else _listed(ask, found, wishes, as_tree)
    if listed and isinstance(as_tree, Tree) and len(as_tree.class_names) > 1:
        return _agreed(ask, found, as_tree, listed)
    if listed:
        return Content(walk=found, listing=listed)
    if isinstance(as_tree, InputError):
        unlisted = csvfile.first(found) if isinstance(as_tree, tree.Unclassed) else None
        raise InputError(f"{as_tree}. {unlisted} lists none of these images") if unlisted else as_tree
    return Content(walk=found, tree=as_tree)


def _listed(ask: Ask, found: Walk, wishes: Wishes, as_tree: Tree | InputError) -> Listing | None:
    """Return the listing of the folder's CSV files.

    An unreadable CSV file is ignored if there are class folders.
    """
    try:
        return listing.read(
            found, Columns(image=ask.image_column, label=ask.label_column, group=ask.group_column), wishes
        )
    except csvfile.Unlike:
        if isinstance(as_tree, InputError):
            raise
        return None


def _tree(ask: Ask, found: Walk, wishes: Wishes) -> Tree:
    """Return the folder as class folders.

    Raises InputError for named columns, which class folders do not have, and for a folder that cannot be read.
    """
    if not found.top.count:
        raise InputError(tables.no_images(found))
    found.require_taken()
    made = tree.understand(found.root, found.top, wishes)
    for option, given in (("label", ask.label_column), ("image", ask.image_column), ("group", ask.group_column)):
        if given and given != option:
            known = suggestion(given, ["image", "label"])
            raise InputError(f"{ask.path} has no column {given!r}. {known} (it is read as class folders)")
    return made


def _agreed(ask: Ask, found: Walk, as_tree: Tree, listed: Listing) -> Content:
    """Return the class folders if a list agrees with them. Raise InputError if it disagrees."""
    if ask.label_column:
        return Content(walk=found, listing=listed)
    class_of = {row.path: row.name for rows in as_tree.rows.values() for row in rows}
    split_of = {row.path: split for split, rows in as_tree.rows.items() for row in rows}
    other = next((row for rows in listed.rows.values() for row in rows if class_of.get(row.path) != row.label), None)
    apart = any(split_of.get(row.path) != split for split, rows in listed.rows.items() for row in rows)
    if other is None and (not apart or len(listed.rows) == 1):
        return Content(walk=found, tree=as_tree)
    first = ", ".join(printable(path) for path in listed.files)
    says = "in other splits" if other is None else f"with other classes in its column {listed.label}"
    raise InputError(
        f"{ask.path} has class folders, and {first} lists the same images {says}. Use --label-column {listed.label} to "
        "read the list, or --split-folders none (or train=FOLDER,test=FOLDER) to read the folders"
    )


def _require_none(ask: Ask, **what: str) -> None:
    """Raise InputError for an option about folders if tables are read."""
    for option, given in zip(_LEFT_OUT, (ask.class_level != "1", ask.split_folders), strict=True):
        if given:
            raise InputError(f"{option} has no effect on {ask.path}, which is read by {what['tables']}. Omit it")


def fingerprint(ask: Ask, found: Content | None = None) -> str:
    """Return 16 hex digits of a hash over the names and the contents of the files that are read."""
    assert ask.path
    found = found or content(ask)
    return files.digest(found.walk.root, found.read)


def open_folder(ask: Ask) -> Source:
    """Return a folder as a source.

    Raises Revised if revision 1 of the layout is asked for and read the folder in another way.
    """
    found = content(ask)
    if ask.layout < found.revision:
        raise Revised(f"{ask.path} is divided into splits and classes by other rules than in earlier versions")
    version = fingerprint(ask, found)
    if found.tables:
        from . import library

        return library.open_folder(ask, found.tables, version=version)
    return _of_tree(found, version) if found.tree else _of_listing(found, version)


def _of_tree(found: Content, version: str) -> Source:
    made = found.tree
    assert made
    at = {name: number for number, name in enumerate(made.class_names)}
    rows = {split: [(row.path, at[row.name], None) for row in each] for split, each in made.rows.items()}
    return _source(found, rows, class_names=made.class_names, version=version)


def _of_listing(found: Content, version: str) -> Source:
    made = found.listing
    assert made
    texts = {row.label for rows in made.rows.values() for row in rows if row.label}
    kind = names.reader_of(texts, f"column {made.label} of {found.walk.root}")
    rows = {split: [(row.path, kind(row.label) if row.label else "", row.group) for row in each]
            for split, each in made.rows.items()}  # fmt: skip
    return _source(found, rows, class_names=None, version=version)


def _source(
    found: Content, rows: Mapping[str, Sequence[tuple[str, Any, Any]]], *, class_names: tuple[str, ...] | None,
    version: str,
) -> Source:  # fmt: skip
    root, made = found.walk.root.resolve(), found.tree or found.listing
    assert made

    def outline(split: str) -> Iterator[Example]:
        for path, label, group in rows[split]:
            yield Example(b"", label, group, str(root / path))

    return Source(
        column=f"column {found.listing.label}" if found.listing else "the labels",
        version=version, rows={split: len(each) for split, each in rows.items()}, class_names=class_names,
        examples=lambda split: _with_images(outline(split)), notes=made.layout.notes, layout=lambda: made.layout,
        outline=outline,
    )  # fmt: skip


def _with_images(rows: Iterator[Example]) -> Iterator[Example]:
    """Yield the rows with the bytes of their files, several of which are read at a time."""
    from ..store.decode import MOST_BYTES

    def content_of(path: str) -> bytes | InputError:
        try:
            with Path(path).open("rb") as file:
                return file.read(MOST_BYTES + 1)  # one more byte shows that a file is too large
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            return InputError(f"its file cannot be opened ({error.strerror or type(error).__name__})")

    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        ahead: deque[tuple[Example, Future[bytes | InputError]]] = deque()
        for row in rows:
            ahead.append((row, pool.submit(content_of, row.file)))
            if len(ahead) > _FILES_AT_ONCE:
                done, image = ahead.popleft()
                yield done._replace(image=image.result())
        for done, image in ahead:
            yield done._replace(image=image.result())
