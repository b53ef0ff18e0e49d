"""Datasets through the `datasets` library: repositories of the Hub, folders of parquet, folders of images."""

from __future__ import annotations

import dataclasses
import glob
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ...errors import Explained, HubUnavailable, InputError
from ...system import hub
from ...tables.names import suggestion
from ..splits import holdout
from . import columns, undocumented, verified
from .files import fingerprint, folder, require_all_read
from .source import Ask, Example, Source
from .verified import Files

_FILES_AT_ONCE = 16


def open_hub(ask: Ask, sha: str) -> Source:
    """A dataset repository at one commit. Raises InputError for what it lacks, HubUnavailable for silence."""
    assert ask.hub
    licence = hub.dataset_licence(ask.hub, sha)
    options, files = {"path": ask.hub, "revision": sha, "token": hub.token()}, verified.files_of(ask.hub, sha)
    files.require_card()
    opened = _open(ask, options, version=sha, where=f"the Hub's {ask.hub}", files=files)
    return dataclasses.replace(opened, licence=licence, disk_bytes=files.most_bytes())


def open_folder(ask: Ask) -> Source:
    """A folder of parquet files or of images in a folder per class, with splits as `datasets` finds them."""
    assert ask.path
    return _open(ask, _folder_options(folder(ask.path)), version=fingerprint(ask.path), where=ask.path)


def _folder_options(root: Path) -> dict[str, Any]:
    """How to load a folder: one of images without folders for splits is all train, whatever its files are called."""
    tables = any(path.suffix in (".parquet", ".arrow", ".csv", ".json", ".jsonl") for path in root.rglob("*"))
    named = any(entry.is_dir() and entry.name.lower() in ("train", *holdout.PUBLISHED) for entry in root.iterdir())
    if tables or named or (root / "README.md").exists():
        return {"path": str(root)}
    return {"path": "imagefolder", "data_files": {"train": [f"{glob.escape(str(root))}/**"]}}


def _open(ask: Ask, options: dict[str, Any], *, version: str, where: str, files: Files | None = None) -> Source:
    import datasets

    opened = _streams(ask, options, where, files)
    wanted, notes = _splits(list(opened), where, carve_test=ask.carve_test)
    train = opened[wanted["train"]]
    if train.features is None:
        raise InputError(f"{where} does not say which columns it has; convert it to parquet first")
    image, label = columns.choose(ask, train.features, where)
    undecoded = {
        ours: opened[theirs].cast_column(image, datasets.Image(decode=False)) for ours, theirs in wanted.items()
    }

    def read(split: str) -> Iterator[Example]:
        # the cache asks for the splits in this order
        left = [wanted[ours] for ours in sorted(wanted) if ours >= split]
        with _sentences(where), files.reading(left) if files else nullcontext():
            for row, content in _fetched(iter(undecoded[split]), image, where, files):
                group, held = row[ask.group_column] if ask.group_column else None, row[image] or {}
                group = verified.shown(group) if isinstance(group, str) else group
                yield Example(content, row[label], group, verified.shown(held.get("path") or ""))

    known, kind = train.info.splits or {}, train.features[label]
    counts = {ours: known[theirs].num_examples or None for ours, theirs in wanted.items() if theirs in known}
    return Source(
        version=version,
        rows={ours: counts.get(ours) for ours in wanted},
        class_names=tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else None,
        examples=read,
        notes=notes,
    )


def _streams(ask: Ask, options: dict[str, Any], where: str, files: Files | None) -> dict[str, Any]:
    """The dataset's splits as streams; raises InputError with the configs' names where one has to be chosen."""
    import datasets

    datasets.disable_progress_bars()
    undocumented.end_without_sleep()
    with _sentences(where), _through(files):
        try:
            builder = datasets.load_dataset_builder(**options, name=ask.config)
            undocumented.leave_encoded(builder)
            if ask.path:
                _require_all_images(builder, ask.path)
            if files:
                files.redirect(builder)
            return builder.as_streaming_dataset()
        except Explained:
            raise
        except ValueError as error:
            names = datasets.get_dataset_config_names(**options)
            if ask.config in names or (ask.config is None and len(names) == 1):
                raise  # it is not about the config
            asked = f"has no config {ask.config!r}" if ask.config else "has several configs"
            near = suggestion(ask.config or "", names)
            raise InputError(f"{where} {asked}; name one with --dataset-config; {near}") from error


def _through(files: Files | None) -> AbstractContextManager[None]:
    """What has `datasets` open verified files, where there are such."""
    if not files:
        return nullcontext()
    from .filesystem import registered  # fsspec: a start with a warm cache opens no dataset

    return registered()


def _require_all_images(builder: Any, path: str) -> None:
    """Raises InputError for a picture of an image folder that the builder leaves out, where no list chooses them."""
    if not (there := undocumented.image_files(builder)):
        return
    files, endings, lists = there
    listed = any(Path(file).name in lists for found in files.values() for file in found)
    card = folder(path) / "README.md"
    if not listed and not (card.exists() and "\nconfigs:" in card.read_text(encoding="utf-8", errors="replace")):
        require_all_read(path, files, endings)


def _fetched(
    rows: Iterator[dict[str, Any]], image: str, where: str, files: Files | None
) -> Iterator[tuple[dict[str, Any], bytes | InputError]]:
    """Rows with their encoded images; those that lie in files of their own are fetched several at a time."""
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
    """The encoded image of a row, from the row itself or from the file that it names; empty where there is none.

    A file that is missing or not allowed to be read is one unreadable image: its reason is returned.
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
            return file.read(MOST_BYTES + 1)  # one more, so that `stored` sees what is too large

    try:
        return hub.call(f"an image of {where}", once)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        return InputError(f"its file cannot be opened ({error.strerror or type(error).__name__})")


def _splits(there: list[str], where: str, *, carve_test: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which of the source's splits are train and test, and what to say of the choice."""
    if "train" not in there and len(there) > 1:
        raise InputError(f"{where} has no split named train; it has {', '.join(there)}")
    wanted, notes = holdout.published(there, carve_test=carve_test), []
    if wanted["train"] != "train":
        notes.append(
            f"{where} has one split, {there[0]}: it is used as train, and validation and test are carved from it"
        )
    if wanted.get("test", "test") != "test":
        notes.append(f"{where} has no split named test: {wanted['test']} is the test set")
    if unused := [name for name in there if name not in wanted.values()]:
        notes.append(f"not used of {where}: {', '.join(unused)} (validation is carved from train)")
    return wanted, tuple(notes)


@contextmanager
def _sentences(where: str) -> Iterator[None]:
    """Turns what `datasets` raises into our errors: silence into HubUnavailable, the rest into InputError."""
    try:
        yield
    except Explained:
        raise
    except Exception as error:
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        if hub.is_silence(error):
            raise HubUnavailable(f"{where} could not be read to its end ({hub.reason(error)}); run again") from error
        if explained := hub.strange(f"reading {where}", error):
            raise explained from error
        if "BatchSize must be greater than 0" in first_line:
            first_line = "a parquet file in it has no rows"
        raise InputError(f"{where} cannot be read as a dataset of images: {first_line}") from error
