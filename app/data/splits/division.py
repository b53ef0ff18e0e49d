"""Train, validation and test of one run, made from a dataset in the cache."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...config.run import RunConfig
from ...errors import InputError
from ...system.printable import printable
from ...tables.shape import extent
from ..labels import given as labelling
from ..labels.given import Stored
from ..store.cache import Cached
from ..transforms import chain, mixing
from ..transforms.normalise import AsFloat
from ..transforms.transform import Transform
from . import holdout, noisy
from .ahead import Ahead
from .resident import Holder, Split, channel_statistics

_Statistics = tuple[Any, Any] | None  # mean and deviation of each channel; None: inputs are as stored
_MEMORY = {
    "device": "are held in device memory",
    "pinned": "are held in pinned host memory, since the device has no room for them",
    "mapped": "are read from their memory-mapped file, since neither device nor host memory has room for them",
}


@dataclass(frozen=True)
class Splits:
    """Train, validation and test of a run, and their entries in its record."""

    train: Split
    val: Split
    test: Split
    record: dict[str, Any]
    published: dict[str, np.ndarray] | None = None  # labels by split, int64 (n,), if those of training may be wrong


def splits(
    config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None], *, stored: Stored | None = None
) -> Splits:
    """Return train, validation and test as the config holds them out, in the memory where the place finds room.

    `stored` are the given labels that a run stored, if it has label noise. Raises InputError if a split would be empty
    or a group would be in two splits, and for labels that do not fit.
    """
    if config.classes != (classes := len(cached.manifest.class_names)):
        raise InputError(f"{config.dataset} has {classes} classes now, not {config.classes}. Run the command again")
    rows, given = holdout.members_of(config, cached), labelling.of(config, cached, stored)
    statistics = None
    if not cached.has_array:
        statistics = channel_statistics(cached.array("train", "moments")[rows.train], _pixels(config))
    inputs = partial(transforms_of, config, place, statistics)
    common: dict[str, Any] = {"send": place.send, "seed": config.seed}
    held, where = _held(cached, [*cached.manifest.rows], place, say)
    parts = {
        "train": ("train", rows.train, config.augment),
        "val": (rows.val_from, rows.val, "none"),
        "test": (rows.test_from, rows.test, "none"),
    }
    made = {
        name: Split(**held[source](), **_rows(cached, source, members), **common, transforms=inputs(augment))
        for name, (source, members, augment) in parts.items()
    }
    made = noisy.disturbed(config, noisy.labelled(made, given, rows.val_from), place)
    made["train"] = replace(made["train"], mixing=mixing.of(config))
    made["test"] = replace(made["test"], paths=_paths(cached, rows.test_from, rows.test))
    record = _record(made, statistics) | {"test_from": rows.test_from, "split_fingerprint": _fingerprint(made)}
    record |= {"arrays_digest": cached.digest}
    record |= {"val_from": rows.val_from} if rows.val_from != "train" else {}
    published = None if given is None else _published(cached, rows)
    if config.task == "classification":
        labels = noisy.given_labels(made) if published else {}
        record |= {"class_rows": _class_rows(_published(cached, rows) | labels, classes)}
    record |= {"label_noise": noisy.record(config.label_noise, published, made)} if published else {}
    return Splits(**made, record=record | {"held": where["train"]}, published=published)


def whole(
    config: RunConfig, place: Holder, cached: Cached, say: Callable[[str], None], names: Sequence[str], *,
    statistics: _Statistics = None,
) -> Split:  # fmt: skip
    """Return every row of a source that is used for testing only, with labels as in the run's class names.

    Rows of other classes are left out and reported. `statistics` are those of the run's training images. Raises
    InputError if no row is left.
    """
    at = {name: index for index, name in enumerate(names)}
    theirs = cached.manifest.class_names
    known = np.array([at.get(name, -1) for name in theirs], np.int64)
    labels = cached.array("test", "labels")
    members = np.arange(len(labels))
    if config.task == "classification":
        labels = known[labels]
        members = np.flatnonzero(labels >= 0)
        if strange := len(labels) - len(members):
            unknown = [printable(name) for name in theirs if name not in at]
            more = f" and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
            say(
                f"{strange:,} of {len(labels):,} rows are of classes that the run does not know "
                f"({', '.join(unknown[:3])}{more}), and are skipped"
            )
    elif [*names] != theirs:
        raise InputError(
            f"the run was trained on {', '.join(names)}, but these files contain {', '.join(theirs)}. Give files "
            "with the same fields"
        )
    if not len(members):
        raise InputError(
            f"no row has a class that the run knows. Its classes are {', '.join(names[:10])}. Give rows of these "
            "classes"
        )
    images, _ = place.hold(cached.images("test"))
    held = _sources(images, torch.from_numpy(labels).to(place.device), place)
    inputs = transforms_of(config, place, statistics, "none")
    return Split(**held, **_rows(cached, "test", members), send=place.send, seed=config.seed, transforms=inputs)


def _pixels(config: RunConfig) -> int:
    """Return the number of pixels of one image as the cache stores it."""
    return math.prod(extent(config.stored_side))


def transforms_of(config: RunConfig, place: Holder, statistics: _Statistics, augment: str) -> tuple[Transform, ...]:
    """Return the transforms from stored rows to the model's inputs."""
    if statistics is None:
        return (AsFloat(),)
    mean, std = (torch.tensor(part, dtype=torch.float32, device=place.device) for part in statistics)
    return chain.of_images(augment, stored=config.stored_side, side=config.image, mean=mean, std=std)


def _record(made: Mapping[str, Split], statistics: _Statistics) -> dict[str, Any]:
    numbers = dict(zip(("mean", "std"), statistics or (), strict=False))
    return {"rows": {name: len(split) for name, split in made.items()}} | {
        name: [round(float(value), 6) for value in values] for name, values in numbers.items()
    }


def _class_rows(labels: Mapping[str, np.ndarray], classes: int) -> dict[str, list[int]]:
    """Return the rows of each class in each split, by the class's number. Under label noise, given labels count."""
    return {name: np.bincount(each, minlength=classes).tolist() for name, each in labels.items()}


def _published(cached: Cached, rows: holdout.Members) -> dict[str, np.ndarray]:
    """Return the published label of each row by split, int64 (n,)."""
    of = {"train": ("train", rows.train), "val": (rows.val_from, rows.val), "test": (rows.test_from, rows.test)}
    return {name: cached.array(source, "labels")[members] for name, (source, members) in of.items()}


def _held(
    cached: Cached, names: Sequence[str], place: Holder, say: Callable[[str], None]
) -> tuple[dict[str, Callable[[], dict[str, Any]]], dict[str, str]]:
    """Return functions that make each split's tensors, and the memory that the place has found for each.

    Device, pinned and memory-mapped memory are reported.
    """
    held: dict[str, Callable[[], dict[str, Any]]] = {}
    where: dict[str, str] = {}
    told = []
    for name in names:
        images, where[name] = place.hold(cached.images(name))
        labels = torch.from_numpy(cached.array(name, "labels")).to(place.device)
        held[name] = partial(_sources, images, labels, place)
        if chosen := _MEMORY.get(where[name]):
            told.append(f"{name} images ({images.nbytes / 1e6:,.0f} MB) {chosen}")
    if told:
        say("; ".join(told))
    return held, where


def _sources(images: Tensor, labels: Tensor, place: Holder) -> dict[str, Any]:
    """Return images and labels, with a separate reader for each Split, so that two Splits do not disturb each other."""
    ahead = Ahead(images, place.staging) if images.device.type != place.device.type else None
    return {"images": images, "labels": labels, "ahead": ahead}


def _rows(cached: Cached, split: str, members: np.ndarray) -> dict[str, Any]:
    found: dict[str, Any] = {"members": members, "rows": cached.array(split, "rows")[members]}
    kind = "names" if f"{split}-names.npy" in cached.manifest.files else "groups"  # simulations have both
    if f"{split}-{kind}.npy" in cached.manifest.files:
        found[kind] = cached.array(split, kind)[members]
    return found


def _paths(cached: Cached, split: str, members: np.ndarray) -> list[str] | None:
    """Return the files of some rows of a folder, or None for other datasets and for caches of earlier versions."""
    files = cached.files(split)
    return None if files is None else [files[member] for member in members]


def _fingerprint(made: Mapping[str, Split]) -> str:
    """Return 16 hex digits that depend on which published rows are in which split."""
    digest = hashlib.sha256()
    for name, split in made.items():
        digest.update(name.encode() + split.rows.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
