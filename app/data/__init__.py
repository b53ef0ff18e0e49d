"""The only door to data: what a dataset is (`facts`), its cache (`prepare`), and its three splits (`splits`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app import draws, hub
from app.config import DatasetFacts, RunConfig, dataset_row, is_local
from app.data import bundled, cache, carve, streamed
from app.data.cache import Cached, Progress
from app.data.files import fingerprint, folder
from app.data.source import Ask, Source
from app.data.split import Holder, Split, channel_statistics
from app.errors import HubUnavailable, InputError
from app.tables.datasets import UNKNOWN_TEST_FRACTION
from app.tables.protocols import UNKNOWN

_TEST, _VAL, _LIMIT = range(3)


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
    if row:
        _refuse_columns(request, row.hub)
        return DatasetFacts(name=name, classes=row.classes, channels=row.channels, native=row.native)
    ask = ask_of({**request, "dataset": name}, path=asked if is_local(asked) else None)
    version = fingerprint(asked) if is_local(asked) else None
    cached = cache.find(ask, version)
    if cached is None:
        source = _open(ask, _version(ask, say))
        names = source.class_names or prepare(ask, say, progress, source=source).manifest["class_names"]
    else:
        names = cached.manifest["class_names"]
    return DatasetFacts(name=name, classes=len(names), fingerprint=version)


def _refuse_columns(request: Mapping[str, Any], on_hub: str | None) -> None:
    """Raises InputError for an option that does nothing for a dataset that is not on the Hub."""
    without_effect = ("dataset_config", "revision", "image_column", "label_column", "group_column")
    if given := [name for name in without_effect if name in request and on_hub is None]:
        raise InputError(f"--{given[0].replace('_', '-')} has no effect on this dataset; leave it out")


def ask_of(fields: Mapping[str, Any], *, path: str | None) -> Ask:
    """The ask of a request or of a config's fields; defaults come from the dataset's row."""
    row = dataset_row(fields["dataset"])
    image = fields.get("image") or UNKNOWN.image
    return Ask(
        dataset=fields["dataset"],
        row=row,
        path=path,
        config=fields.get("dataset_config") or (row.config if row else None),
        revision=fields.get("revision") or "main",
        image_column=fields.get("image_column") or (row.image_column if row else None),
        label_column=fields.get("label_column") or (row.label_column if row else None),
        group_column=fields.get("group_column"),
        side=min(image, row.native) if row else image,
        channels=row.channels if row else 3,
        carve_test=bool(fields.get("test_fraction") or (row and row.test_fraction)),
    )


def _version(ask: Ask, say: Callable[[str], None]) -> str | None:
    """The version to open: a folder's fingerprint or the Hub's commit now; None: the newest cache must do."""
    if ask.path:
        return fingerprint(ask.path)
    if not ask.hub:
        return None
    try:
        return hub.dataset_sha(ask.hub, ask.revision)
    except HubUnavailable as error:
        if cache.find(ask, None) is None:
            raise InputError(
                f"{error}, and {ask.dataset} is not in the cache at {ask.side} px; connect once, or train "
                "--dataset digits or --dataset ./folder, which need no network"
            ) from error
        say(f"{error}; the cached {ask.dataset} is used")
        return None


def _open(ask: Ask, version: str | None) -> Source:
    if ask.path:
        return streamed.open_folder(ask)
    return streamed.open_hub(ask, str(version)) if ask.hub else bundled.open_digits()


def prepare(
    ask: Ask,
    say: Callable[[str], None],
    progress: Progress,
    *,
    version: str | None = None,
    source: Source | None = None,
) -> Cached:
    """The dataset in the cache, read from its source if it is not there yet; `version` is a continued run's own."""
    version = version or (source.version if source else _version(ask, say))
    if found := cache.find(ask, version):
        return found
    source = source or _open(ask, version)
    if version not in (None, source.version):
        raise InputError(f"{ask.path} no longer holds what the run was trained on; restore it or train --fresh")
    for note in source.notes:
        say(note)
    return cache.build(ask, source, progress)


def splits(config: RunConfig, place: Holder, cached: Cached) -> Splits:
    """Train, validation and test as the config carves them, held where the place finds room."""
    labels = cached.array("train", "labels")
    groups = cached.array("train", "groups") if config.group_column else None
    if groups is not None and "test" in cached.manifest["rows"]:
        _refuse_shared_groups(groups, cached.array("test", "groups"))
    train, val, test = _members(config, cached, labels, groups)
    mean, std = channel_statistics(cached.array("train", "moments")[train], config.stored_side)
    common: dict[str, Any] = {
        "side": config.image,
        "mean": torch.tensor(mean, dtype=torch.float32, device=place.device),
        "std": torch.tensor(std, dtype=torch.float32, device=place.device),
        "send": place.send,
        "seed": config.seed,
    }
    held = {name: _held(cached, name, place) for name in cached.manifest["rows"]}
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


def _members(
    config: RunConfig, cached: Cached, labels: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of train, validation and test rows; test's are in the source's test split where it has one."""
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1]

    def cut(rows: np.ndarray, fraction: float, purpose: int) -> tuple[np.ndarray, np.ndarray]:
        within = None if numbers is None else np.unique(numbers[rows], return_inverse=True)[1]
        stream = draws.key(draws.CARVE, config.split_seed, purpose)
        out = carve.held_out(labels[rows], within, fraction=fraction, stream=stream)
        if not out.any() or out.all():
            raise InputError(f"{len(rows)} labelled rows are too few to hold out {fraction:.0%} of each class")
        return rows[~out], rows[out]

    train = np.arange(len(labels))
    if "test" in cached.manifest["rows"]:
        test = np.arange(cached.manifest["rows"]["test"])
    else:
        train, test = cut(train, config.test_fraction or UNKNOWN_TEST_FRACTION, _TEST)
    train, val = cut(train, config.val_fraction, _VAL)
    stream = draws.key(draws.CARVE, config.split_seed, _LIMIT)
    limits = (config.limit_train, config.limit_val, config.limit_test)
    train, val, test = (
        carve.limited(rows, limit, stream=stream) for rows, limit in zip((train, val, test), limits, strict=True)
    )
    return train, val, test


def _refuse_shared_groups(train: np.ndarray, test: np.ndarray) -> None:
    if shared := len(np.intersect1d(train, test)):
        raise InputError(
            f"{shared} groups stand in both train and test; --test-fraction 0.2 carves a test set of other groups"
        )


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


__all__ = ["Split", "Splits", "ask_of", "dataset_name", "facts", "folder", "prepare", "splits"]
