"""Datasets through the `datasets` library: repositories of the Hub, folders of parquet, folders of images."""

from __future__ import annotations

import dataclasses
import glob
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import Explained, HubUnavailable, InputError
from ...system import hub
from ...system.printable import printable
from ...tables.names import suggestion
from . import columns, remote, splits, undocumented, verified
from .layout import Layout, LeftOut
from .source import Ask, Example, Source
from .tables import Tables
from .verified import Files
from .walk import ENDINGS

_FILES_AT_ONCE = 16
_SHOWN = 3  # the most files of a split that are named


def open_hub(ask: Ask, sha: str) -> Source:
    """Return a dataset repository at one commit as a source.

    Raises InputError if the repository lacks something, and HubUnavailable if the Hub does not answer.
    """
    assert ask.hub
    licence = hub.dataset_licence(ask.hub, sha)
    options, files = {"path": ask.hub, "revision": sha, "token": hub.token()}, verified.files_of(ask.hub, sha)
    files.require_card()
    opened = _open(ask, options, version=sha, where=f"the Hub's {ask.hub}", files=files)
    return dataclasses.replace(opened, licence=licence, disk_bytes=files.most_bytes())


def open_folder(ask: Ask, tables: Tables, *, version: str) -> Source:
    """Return a folder of tables, or of images that a list names, with the splits of its files."""
    assert ask.path
    root = Path(ask.path).expanduser().resolve()
    options: dict[str, Any] = {"path": str(root)}
    if tables.data_files is not None:
        files = {split: [glob.escape(str(root / path)) for path in paths] for split, paths in tables.data_files.items()}
        options = {"path": tables.module, "data_files": files}
    return _open(ask, options, version=version, where=ask.path, layout=tables.layout)


def _open(
    ask: Ask, options: dict[str, Any], *, version: str, where: str, layout: Layout | None = None,
    files: Files | None = None,
) -> Source:  # fmt: skip
    opened, read_files = _streams(ask, options, where, files)
    train = next(iter(opened.values()))
    if train.features is None:
        raise InputError(f"{where} does not say which columns it has. Convert it to parquet first")
    image, label = columns.choose(ask, train.features, where)
    made = _without_config(layout, read_files, where) if layout else Layout()
    return _Opened(ask, opened, read_files, image, label, where, version, made, files).source([*opened])


@dataclass(frozen=True)
class _Opened:
    """The splits of a dataset as streams, and its columns of images and labels."""

    ask: Ask
    streams: dict[str, Any]
    paths: Mapping[str, Sequence[str]]  # of the files of each split
    image: str
    label: str
    where: str
    version: str
    layout: Layout
    files: Files | None

    def source(self, there: Sequence[str], **hidden: tuple[str, int]) -> Source:
        """Return the source of these splits.

        `hidden` is a test split without labels, and its number of rows.
        """
        import datasets

        wanted, notes, left_out = splits.of(self.ask, there, self.where, self._count, **hidden)
        places = {ours: f"split {theirs}{self._files_of(theirs)}" for ours, theirs in wanted.items()}
        layout = dataclasses.replace(self.layout, places=places, notes=(*self.layout.notes, *notes))
        layout = layout.with_left_out(left_out)
        another = None if hidden else splits.without_test(self.ask, [*self.streams], wanted)
        kind = self.streams[wanted["train"]].features[self.label]
        return Source(
            version=self.version,
            rows={ours: self._known(theirs) for ours, theirs in wanted.items()},
            class_names=tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else None,
            examples=partial(self._examples, wanted),
            notes=notes,
            column=f"column {self.label}",
            layout=lambda: layout,
            outline=(lambda split: self._labels(wanted[split])) if self.ask.path else None,
            without_test=(lambda rows: self.source(another, hidden=(wanted["test"], rows))) if another else None,
        )

    def _files_of(self, split: str) -> str:
        """Return the names of a split's tables and lists in a folder, as text."""
        if not self.ask.path:
            return ""
        root = Path(self.ask.path).expanduser().resolve()
        paths = [path for path in self.paths.get(split, ()) if Path(path).suffix.lower() not in ENDINGS]
        named = [printable(path.removeprefix(f"{root}/")) for path in paths[:_SHOWN]]
        more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
        return f" ({', '.join(named)}{more})" if named else ""

    def _examples(self, wanted: Mapping[str, str], split: str) -> Iterator[Example]:
        import datasets

        left = [wanted[ours] for ours in sorted(wanted) if ours >= split]  # the cache reads the splits in this order
        undecoded = self.streams[wanted[split]].cast_column(self.image, datasets.Image(decode=False))
        group_column = self.ask.group_column
        with _sentences(self.where), self.files.reading(left) if self.files else nullcontext():
            for row, content in _fetched(self._of_one_split(undecoded), self.image, self.where, self.files):
                group, held = row[group_column] if group_column else None, row[self.image] or {}
                group = verified.shown(group) if isinstance(group, str) else group
                yield Example(content, row[self.label], group, verified.shown(held.get("path") or ""))

    def _labels(self, split: str) -> Iterator[Example]:
        group = self.ask.group_column
        with _sentences(self.where):
            wanted = [name for name in (self.label, group, self._says) if name]
            for row in self._of_one_split(self.streams[split].select_columns(list(dict.fromkeys(wanted)))):
                yield Example(b"", row[self.label], row[group] if group else None)

    @property
    def _says(self) -> str | None:
        """The column of a folder's tables that may give the split of each row, or None."""
        features = next(iter(self.streams.values())).features
        texts = [name for name in features if getattr(features[name], "dtype", None) in ("string", "large_string")]
        return splits.column_of(texts) if self.ask.path else None

    def _of_one_split(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a split. At the end, raise InputError if a column assigns them to several splits."""
        says, seen = self._says, set()
        for row in rows:
            if says:
                seen.add(row[says])
            yield row
        splits.require_one(seen, f"column {says} of {self.where}")

    def _known(self, split: str) -> int | None:
        """Return the number of rows of a split from its metadata, or None if the metadata do not give it."""
        known = next(iter(self.streams.values())).info.splits or {}
        return (known[split].num_examples or None) if split in known else None

    def _count(self, split: str) -> int | None:
        """Return the number of rows of a split, counted if that costs little."""
        return self._known(split) or (sum(1 for _ in self._labels(split)) if self.ask.path else None)


def _without_config(layout: Layout, files: Mapping[str, Sequence[str]], where: str) -> Layout:
    """Return the layout of a folder with the tables and images that none of the card's configs names."""
    root = Path(where).expanduser().resolve()
    taken = {path for paths in files.values() for path in paths}
    spare = [path for path in layout.candidates if str(root / path) not in taken]
    return layout.with_left_out([LeftOut.of("files", "in no config of README.md", spare)] if spare else [])


def _streams(
    ask: Ask, options: dict[str, Any], where: str, files: Files | None
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the dataset's splits as streams, and their files. Raise InputError with the names of its configs."""
    import datasets

    datasets.disable_progress_bars()
    undocumented.end_without_sleep()
    with _sentences(where), _through(files):
        try:
            builder = datasets.load_dataset_builder(**options, name=ask.config)
            undocumented.leave_encoded(builder)
            by_split = undocumented.data_files(builder)
            if files and not ask.row:
                remote.require_clear(by_split, where, images=_reads_folders(builder))
            if files:
                files.redirect(builder)
            return builder.as_streaming_dataset(), by_split
        except Explained:
            raise
        except ValueError as error:
            names = datasets.get_dataset_config_names(**options)
            if ask.config in names or (ask.config is None and len(names) == 1):
                raise  # the error is not about the config
            asked = f"has no config {ask.config!r}" if ask.config else "has several configs"
            near = suggestion(ask.config or "", names)
            raise InputError(f"{where} {asked}. Name one with --dataset-config. {near}") from error


def _through(files: Files | None) -> AbstractContextManager[None]:
    """Return the context in which `datasets` opens verified files, if there are any."""
    if not files:
        return nullcontext()
    from .filesystem import registered  # imports fsspec, and a start with a warm cache opens no dataset

    return registered()


def _reads_folders(builder: Any) -> bool:
    """Return whether a builder derives classes from folders of images, without a list of the images."""
    if not (there := undocumented.image_files(builder)):
        return False
    files, _, lists = there
    return not any(Path(file).name in lists for found in files.values() for file in found)


def _fetched(
    rows: Iterator[dict[str, Any]], image: str, where: str, files: Files | None
) -> Iterator[tuple[dict[str, Any], bytes | InputError]]:
    """Yield rows with their encoded images. Images in separate files are fetched several at a time."""
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        ahead: deque[tuple[dict[str, Any], Future[bytes | InputError]]] = deque()
        for row in rows:
            if not ahead and row[image] and row[image]["bytes"] is not None:
                yield row, row[image]["bytes"]
                continue
            ahead.append((row, pool.submit(_bytes, row[image], where, files)))
            if len(ahead) > _FILES_AT_ONCE:
                done, content = ahead.popleft()
                yield done, content.result()
        for done, content in ahead:
            yield done, content.result()


def _bytes(image: Any, where: str, files: Files | None) -> bytes | InputError:
    """Return a row's encoded image, from the row or from the file that it names.

    The result is empty if the row has none. A file that is missing or must not be read is one unreadable image, and the
    reason is returned.
    """
    if image is None or (image["bytes"] is None and image["path"] is None):
        return b""
    if image["bytes"] is not None:
        return image["bytes"]
    from ..store.decode import MOST_BYTES

    if files:
        return files.content(image["path"], MOST_BYTES)

    def once() -> bytes:
        with undocumented.opened(image["path"]) as file:
            return file.read(MOST_BYTES + 1)  # one byte more, so that `stored` detects a file that is too large

    try:
        return hub.call(f"an image of {where}", once)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        return InputError(f"its file cannot be opened ({error.strerror or type(error).__name__})")


@contextmanager
def _sentences(where: str) -> Iterator[None]:
    """Turn errors of `datasets` into ours: HubUnavailable if the Hub does not answer, otherwise InputError."""
    try:
        yield
    except Explained:
        raise
    except Exception as error:
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        if hub.is_silence(error):
            raise HubUnavailable(
                f"{where} could not be read to its end ({hub.reason(error)}). Run the same command again"
            ) from error
        if explained := hub.strange(f"reading {where}", error):
            raise explained from error
        fix = "Convert it to parquet, or give a folder of images"
        if "BatchSize must be greater than 0" in first_line:
            first_line, fix = "a parquet file in it has no rows", "Remove the file, or add rows"
        if first_line.startswith("invalid literal for int()"):  # a WebDataset's label
            said = first_line.rpartition(": ")[2].removeprefix("b")
            first_line = f"a .cls file in it contains {said} and no whole number"
            fix = "Unpack the files and give the folder"
        raise InputError(f"{where} cannot be read as a dataset of images ({first_line}). {fix}") from error
