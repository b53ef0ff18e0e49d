"""Datasets through the `datasets` library, streamed: repositories of the Hub, folders of parquet, image folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app import hub
from app.data.files import fingerprint, folder
from app.data.source import Ask, Example, Source
from app.errors import HubUnavailable, InputError
from app.tables.names import suggestion

_LABELS = ("label", "labels", "fine_label", "class", "target", "category")


def open_hub(ask: Ask, sha: str) -> Source:
    """A dataset repository at one commit. Raises InputError for what it lacks, HubUnavailable for silence."""
    assert ask.hub
    options = {"path": ask.hub, "name": ask.config, "revision": sha, "token": hub.token()}
    opened = _open(ask, options, version=sha, where=f"the Hub's {ask.hub}")
    return dataclasses.replace(opened, licence=hub.dataset_licence(ask.hub, sha))


def open_folder(ask: Ask) -> Source:
    """A folder of parquet files or of images in a folder per class, with splits as `datasets` finds them."""
    assert ask.path
    return _open(
        ask, {"path": str(folder(ask.path)), "name": ask.config}, version=fingerprint(ask.path), where=ask.path
    )


def _open(ask: Ask, options: dict[str, Any], *, version: str, where: str) -> Source:
    import datasets

    datasets.disable_progress_bars()
    with _sentences(where):
        opened = datasets.load_dataset(**options, streaming=True)
    wanted, notes = _splits(list(opened), where, carve_test=ask.carve_test)
    features = opened[wanted["train"]].features
    if features is None:
        raise InputError(f"{where} does not say which columns it has; convert it to parquet first")
    image, label = _columns(ask, features, where)
    kind = features[label]
    if not hasattr(kind, "dtype"):
        raise InputError(f"column {label} of {where} is {type(kind).__name__}, not one class per row")
    undecoded = {
        ours: opened[theirs].cast_column(image, datasets.Image(decode=False)) for ours, theirs in wanted.items()
    }

    def examples(split: str) -> Iterator[Example]:
        with _sentences(where):
            for row in undecoded[split]:
                group = row[ask.group_column] if ask.group_column else None
                yield Example(_bytes(row[image], where), row[label], group)

    infos = opened[wanted["train"]].info
    known = infos.splits or {}
    return Source(
        version=version,
        rows={ours: known[theirs].num_examples if theirs in known else None for ours, theirs in wanted.items()},
        class_names=tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else None,
        examples=examples,
        total_bytes=infos.download_size,
        notes=notes,
    )


def _bytes(image: Any, where: str) -> bytes:
    """The encoded image of a row, from the row itself or from the file that it names."""
    if image is None:
        raise InputError(f"a row of {where} has no image")
    if image.get("bytes") is not None:
        return image["bytes"]
    from datasets.download.streaming_download_manager import xopen

    with xopen(image["path"], "rb") as file:
        return file.read()


def _splits(there: list[str], where: str, *, carve_test: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which of the source's splits are train and test, and what to say of the choice."""
    if "train" not in there and len(there) > 1:
        raise InputError(f"{where} has no split named train; it has {', '.join(there)}")
    wanted, notes = {"train": "train" if "train" in there else there[0]}, []
    held_out = [name for name in there if name != wanted["train"]]
    if held_out and not carve_test:
        wanted["test"] = "test" if "test" in held_out else held_out[0]
        if wanted["test"] != "test":
            notes.append(f"{where} has no split named test: {wanted['test']} is the test set")
    if unused := [name for name in held_out if name != wanted.get("test")]:
        notes.append(f"not used of {where}: {', '.join(unused)} (validation is carved from train)")
    return wanted, tuple(notes)


def _columns(ask: Ask, features: Any, where: str) -> tuple[str, str]:
    """The image and label columns, as named or as the only candidates; raises InputError with what there is."""
    import datasets

    names = list(features)
    for given in (ask.image_column, ask.label_column, ask.group_column):
        if given and given not in names:
            raise InputError(f"{where} has no column {given!r}; {suggestion(given, names)}")
    images = [name for name in names if isinstance(features[name], datasets.Image)]
    labels = [name for name in names if isinstance(features[name], datasets.ClassLabel)]
    labels = labels or [name for name in names if name in _LABELS]
    image = ask.image_column or (images[0] if len(images) == 1 else None)
    label = ask.label_column or (labels[0] if len(labels) == 1 else None)
    if not image or not label:
        missing = "image" if not image else "label"
        raise InputError(
            f"which column of {where} is the {missing}? name it with --{missing}-column; "
            f"there are: {', '.join(f'{name} ({type(features[name]).__name__})' for name in names)}"
        )
    if not isinstance(features[image], datasets.Image):
        raise InputError(f"column {image} of {where} holds {type(features[image]).__name__}, not images")
    return image, label


@contextmanager
def _sentences(where: str) -> Iterator[None]:
    """Turns what `datasets` raises into our errors: silence into HubUnavailable, the rest into InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        if hub.is_silence(error):
            raise HubUnavailable(f"{where} could not be read to its end ({first_line}); run again") from error
        raise InputError(f"{where} cannot be read as a dataset of images: {first_line}") from error
