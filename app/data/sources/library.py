"""Datasets through the `datasets` library: repositories of the Hub, folders of parquet, folders of images."""

from __future__ import annotations

import dataclasses
import glob
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import Explained, HubUnavailable, InputError
from ...system import hub
from ...tables.names import suggestion
from ..splits import holdout
from . import columns, undocumented
from .files import fingerprint, folder, require_all_read
from .source import Ask, Example, Source

_FILES_AT_ONCE = 16
_WAITS = (2.0, 8.0, 30.0)  # seconds before a broken stream is opened again


def open_hub(ask: Ask, sha: str) -> Source:
    """A dataset repository at one commit. Raises InputError for what it lacks, HubUnavailable for silence."""
    assert ask.hub
    licence = hub.dataset_licence(ask.hub, sha)
    options = {"path": ask.hub, "revision": sha, "token": hub.token()}
    return dataclasses.replace(_open(ask, options, version=sha, where=f"the Hub's {ask.hub}"), licence=licence)


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


def _open(ask: Ask, options: dict[str, Any], *, version: str, where: str) -> Source:
    import datasets

    opened = _streams(ask, options, where)
    wanted, notes = _splits(list(opened), where, carve_test=ask.carve_test)
    train = opened[wanted["train"]]
    if train.features is None:
        raise InputError(f"{where} does not say which columns it has; convert it to parquet first")
    image, label = columns.choose(ask, train.features, where)
    undecoded = {
        ours: opened[theirs].cast_column(image, datasets.Image(decode=False)) for ours, theirs in wanted.items()
    }

    def read(rows: Iterator[dict[str, Any]]) -> Iterator[Example]:
        with _sentences(where):
            for row, content in _fetched(rows, image, where):
                group, held = row[ask.group_column] if ask.group_column else None, row[image] or {}
                yield Example(content, row[label], group, held.get("path") or "")

    known, kind = train.info.splits or {}, train.features[label]
    counts = {ours: known[theirs].num_examples or None for ours, theirs in wanted.items() if theirs in known}
    return Source(
        version=version,
        rows={ours: counts.get(ours) for ours in wanted},
        class_names=tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else None,
        examples=lambda split: read(_resumed(undecoded[split])),
        notes=notes,
    )


def _streams(ask: Ask, options: dict[str, Any], where: str) -> dict[str, Any]:
    """The dataset's splits as streams; raises InputError with the configs' names where one has to be chosen."""
    import datasets

    datasets.disable_progress_bars()
    undocumented.end_without_sleep()
    with _sentences(where):
        try:
            builder = datasets.load_dataset_builder(**options, name=ask.config)
            undocumented.leave_encoded(builder)
            if ask.path:
                _require_all_images(builder, ask.path)
            return builder.as_streaming_dataset()
        except ValueError as error:
            names = datasets.get_dataset_config_names(**options)
            if ask.config in names or (ask.config is None and len(names) == 1):
                raise  # it is not about the config
            asked = f"has no config {ask.config!r}" if ask.config else "has several configs"
            near = suggestion(ask.config or "", names)
            raise InputError(f"{where} {asked}; name one with --dataset-config; {near}") from error


def _require_all_images(builder: Any, path: str) -> None:
    """Raises InputError for a picture of an image folder that the builder leaves out, where no list chooses them."""
    if not (there := undocumented.image_files(builder)):
        return
    files, endings, lists = there
    listed = any(Path(file).name in lists for found in files.values() for file in found)
    card = folder(path) / "README.md"
    if not listed and not (card.exists() and "\nconfigs:" in card.read_text(encoding="utf-8", errors="replace")):
        require_all_read(path, files, endings)


def _resumed(rows: Any) -> Iterator[dict[str, Any]]:
    """Every row of a stream once; where it breaks because the Hub is silent, it is opened again after the last row."""
    state, waits = rows.state_dict(), iter(_WAITS)
    while True:
        try:
            for row in rows:
                state, waits = rows.state_dict(), iter(_WAITS)
                yield row
            return
        except Exception as error:
            pause = next(waits, None)
            if pause is None or not hub.is_silence(error):
                raise
        time.sleep(pause)
        rows.load_state_dict(state)


def _fetched(rows: Iterator[dict[str, Any]], image: str, where: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Rows with their encoded images; those that lie in files of their own are fetched several at a time."""
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        ahead: deque[tuple[dict[str, Any], Future[bytes]]] = deque()
        for row in rows:
            if not ahead and row[image] and row[image]["bytes"] is not None:
                yield row, row[image]["bytes"]
                continue
            ahead.append((row, pool.submit(_bytes, row[image], where)))
            if len(ahead) > _FILES_AT_ONCE:
                done, content = ahead.popleft()
                yield done, content.result()
        for done, content in ahead:
            yield done, content.result()


def _bytes(image: Any, where: str) -> bytes:
    """The encoded image of a row, from the row itself or from the file that it names; empty where there is none."""
    if image is None or (image["bytes"] is None and image["path"] is None):
        return b""
    if image["bytes"] is not None:
        return image["bytes"]
    from ..store.decode import MOST_BYTES

    def once() -> bytes:
        with undocumented.opened(image["path"]) as file:
            return file.read(MOST_BYTES + 1)  # one more, so that `stored` sees what is too large

    return hub.call(f"an image of {where}", once)


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
