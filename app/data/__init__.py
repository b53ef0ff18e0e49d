"""The only door to data: what a dataset is (`facts`), its cache (`prepare`), and its three splits (`splits`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app import hub
from app.config import DatasetFacts, RunConfig, dataset_facts
from app.data import bundled, cache, carve, streamed
from app.data.cache import Cached
from app.data.files import fingerprint
from app.data.source import Ask, Source
from app.data.split import Holder, Split, channel_statistics
from app.data.writer import Progress
from app.errors import HubUnavailable, InputError
from app.tables.datasets import dataset_row, is_local
from app.tables.protocols import UNKNOWN

_SUBSET = ("dataset_config", "revision", "label_column")  # what decides how many classes there are
_COLUMNS = ("image_column", "group_column")


@dataclass(frozen=True)
class Splits:
    """Train, validation and test of a run, and what its record says of them."""

    train: Split
    val: Split
    test: Split
    record: dict[str, Any]


def dataset_name(asked: str) -> str:
    """The dataset's one name: the table's, the Hub's owner/name, or local/folder."""
    if row := dataset_row(asked):
        return row.name
    return f"local/{Path(asked).expanduser().resolve().name}" if is_local(asked) else asked


def facts(request: Mapping[str, Any], say: Callable[[str], None], progress: Progress) -> DatasetFacts:
    """What a config needs to know of the dataset asked for; a known dataset is not even opened.

    Any other is looked up in the cache, then in the Hub's metadata; where labels are no class indices it is read.
    """
    asked = request["dataset"]
    name, row = dataset_name(asked), dataset_row(asked)
    _refuse_without_effect(request)
    if row and not any(option in request for option in _SUBSET):
        return dataset_facts(row)
    path = asked if is_local(asked) else None
    version = fingerprint(path) if path else None
    ask = ask_of({**request, "dataset": name, "fingerprint": version}, path=path)
    if cached := cache.find(ask, version):
        classes = len(cached.manifest["class_names"])
    else:
        classes = _count_classes(ask, say, progress)
    known = {"channels": row.channels, "native": row.native} if row else {}
    return DatasetFacts(name=name, classes=classes, fingerprint=version, **known)


def _refuse_without_effect(request: Mapping[str, Any]) -> None:
    """Raises InputError for an option that does nothing for the dataset, and for a name that stands for no path."""
    asked, row = request["dataset"], dataset_row(request["dataset"])
    if asked.startswith("local/"):
        raise InputError(f"{asked} names runs on a folder; to train on the folder give its path, such as ./folder")
    without_effect = (*_SUBSET, *_COLUMNS) if row and not row.hub else ("revision",) if is_local(asked) else ()
    if given := [name for name in without_effect if name in request]:
        raise InputError(f"--{given[0].replace('_', '-')} has no effect on the dataset {asked}; leave it out")
    if (image := request.get("image", 1)) < 1:
        raise InputError(f"image={image} must be a number above 0")


def _count_classes(ask: Ask, say: Callable[[str], None], progress: Progress) -> int:
    """The classes of a dataset that is not in the cache."""
    source = _open(ask, _version(ask, say))
    if source.class_names:
        return len(set(source.class_names) - set(ask.unlabelled))
    return len(prepare(ask, say, progress, source=source).manifest["class_names"])


def ask_of(fields: Mapping[str, Any], *, path: str | None) -> Ask:
    """The ask of a request or of a config's fields; defaults come from the dataset's row."""
    row = dataset_row(fields["dataset"])
    image = fields.get("image") or UNKNOWN.image
    return Ask(
        dataset=fields["dataset"],
        row=row,
        path=path,
        fingerprint=fields.get("fingerprint"),
        config=fields.get("dataset_config") or (row.config if row else None),
        revision=fields.get("revision") or "main",
        image_column=fields.get("image_column") or (row.image_column if row else None),
        label_column=fields.get("label_column") or (row.label_column if row else None),
        group_column=fields.get("group_column"),
        side=min(image, row.native) if row else image,
        channels=row.channels if row else 3,
        carve_test=bool(fields.get("test_fraction") or (row and row.test_fraction)),
    )


def _version(ask: Ask, say: Callable[[str], None]) -> str:
    """The version to use: a folder's fingerprint, or the Hub's commit now; if it is silent, the newest in the cache."""
    if ask.path:
        return ask.fingerprint or fingerprint(ask.path)
    if not ask.hub:
        return bundled.VERSION
    try:
        return hub.dataset_sha(ask.hub, ask.revision)
    except HubUnavailable as error:
        cached = cache.find(ask, None)
        if cached is None:
            raise _not_cached(ask, error) from error
        say(f"{error}; the cached {ask.dataset} is used")
        return str(cached.manifest["version"])


def _open(ask: Ask, version: str) -> Source:
    if ask.path:
        return streamed.open_folder(ask)
    if not ask.hub:
        return bundled.open_digits()
    try:
        return streamed.open_hub(ask, version)
    except HubUnavailable as error:
        raise _not_cached(ask, error) from error


def _not_cached(ask: Ask, error: HubUnavailable) -> InputError:
    return InputError(
        f"{error}, and {ask.dataset} is not in the cache at {ask.side} px; connect once, or train "
        "--dataset digits or --dataset ./folder, which need no network"
    )


def prepare(
    ask: Ask,
    say: Callable[[str], None],
    progress: Progress,
    *,
    version: str | None = None,
    source: Source | None = None,
) -> Cached:
    """The dataset in the cache, verified; read from its source if it is not there. `version` is a continued run's own.

    Raises InputError for a damaged cache, for rows that cannot be used and for a silent Hub with nothing cached.
    """
    version = version or (source.version if source else _version(ask, say))
    if found := cache.find(ask, version):
        return found.verified()
    source = source or _open(ask, version)
    if version != source.version:
        raise InputError(f"{ask.path or ask.dataset} is not what the run was made with; restore it or train --fresh")
    for note in source.notes:
        say(note)
    return cache.build(ask, source, progress)


def splits(config: RunConfig, place: Holder, cached: Cached) -> Splits:
    """Train, validation and test as the config carves them, held where the place finds room."""
    manifest = cached.manifest
    if config.classes != (classes := len(manifest["class_names"])):
        raise InputError(f"{config.dataset} has {classes} classes now, not {config.classes}; run the command again")
    train, val, test = carve.members(
        config,
        labels=cached.array("train", "labels"),
        groups=_groups(config, cached),
        test_rows=manifest["rows"].get("test"),
    )
    mean, std = channel_statistics(cached.array("train", "moments")[train], config.stored_side)
    common: dict[str, Any] = {
        "side": config.image,
        "mean": torch.tensor(mean, dtype=torch.float32, device=place.device),
        "std": torch.tensor(std, dtype=torch.float32, device=place.device),
        "send": place.send,
        "seed": config.seed,
    }
    held = {name: _held(cached, name, place) for name in manifest["rows"]}
    test_source = "test" if "test" in held else "train"
    made = {
        "train": Split(**held["train"], **_rows(cached, "train", train), **common, augment=config.augment),
        "val": Split(**held["train"], **_rows(cached, "train", val), **common),
        "test": Split(**held[test_source], **_rows(cached, test_source, test), **common),
    }
    record = {
        "rows": {name: len(split) for name, split in made.items()},
        "test_from": test_source,
        "split_fingerprint": _fingerprint(made),
        "mean": [round(float(value), 6) for value in mean],
        "std": [round(float(value), 6) for value in std],
    }
    return Splits(**made, record=record)


def _groups(config: RunConfig, cached: Cached) -> np.ndarray | None:
    """The groups of train's rows, None without a group column; raises InputError for groups that test shares."""
    if not config.group_column:
        return None
    groups = cached.array("train", "groups")
    if "test" in cached.manifest["rows"] and (shared := len(np.intersect1d(groups, cached.array("test", "groups")))):
        raise InputError(
            f"{shared} groups stand in both train and test; --test-fraction 0.2 carves a test set of other groups"
        )
    return groups


def _held(cached: Cached, split: str, place: Holder) -> dict[str, Any]:
    images = place.hold(cached.images(split))
    return {"images": images, "labels": torch.from_numpy(cached.array(split, "labels")).to(images.device)}


def _rows(cached: Cached, split: str, members: np.ndarray) -> dict[str, Any]:
    return {"members": members, "rows": cached.array(split, "rows")[members]}


def _fingerprint(made: Mapping[str, Split]) -> str:
    """16 hex digits over which published rows are in which split."""
    digest = hashlib.sha256()
    for name, split in made.items():
        digest.update(name.encode() + split.rows.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


__all__ = ["Split", "Splits", "ask_of", "dataset_name", "facts", "prepare", "splits"]
