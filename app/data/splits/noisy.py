"""Splits under noise: the given labels, and the transforms that come before all others.

Validation has the noise of training, because both are what a user without clean data has. The test has clean labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ... import draws
from ...config.run import RunConfig
from ...errors import InputError
from ...tables import corruptions
from ..labels import given as labelling
from ..transforms.transform import Transform
from .part import in_turn
from .resident import Holder, Split

_IMAGES, _BYTES = 1024, 1 << 28  # of a pool, at most; the rule does not depend on the machine


def labelled(made: Mapping[str, Split], given: np.ndarray | None, val_from: str) -> dict[str, Split]:
    """Return the splits with the given labels of the source's train rows, int64 (rows,), in train and validation."""
    if given is None:
        return dict(made)
    labels = torch.from_numpy(given).to(made["train"].labels.device)
    wrong = {"train", *(("val",) if val_from == "train" else ())}
    return {name: replace(split, labels=labels) if name in wrong else split for name, split in made.items()}


def disturbed(config: RunConfig, made: Mapping[str, Split], place: Holder) -> dict[str, Split]:
    """Return the splits with distractors and corruptions as their first transforms.

    Training distractors are keyed by the run's seed and the epoch, and all others by the split seed, so that every run
    is validated and tested on the same images. Raises InputError if the images of a split have one class.
    """
    found = {}
    for name, split in made.items():
        count = config.test_distractors if name == "test" else config.distractors
        first: list[Transform] = []
        if count:
            seed = config.seed if name == "train" else config.split_seed
            first.append(distract(split, count, config, place, seed=seed, name=name))
        if name != "test" and (corruption := corruptions.parsed(config.corrupt_train)):
            from ..transforms.corruptions.applied import Corrupt

            first.append(Corrupt(*corruption, seed=draws.key(draws.CORRUPTED, config.split_seed)))
        found[name] = replace(split, transforms=(*first, *split.transforms)) if first else split
    return found


def distract(split: Split, count: int, config: RunConfig, place: Holder, *, seed: int, name: str) -> Transform:
    """Return the transform that pastes patches of a split's own images, of which a part is kept on the device.

    Raises InputError if the images of the split, which `name` names in the sentence, have one class.
    """
    from ..transforms.distractors import Distract, Pool

    labels = split.targets
    most = min(_IMAGES, max(1, _BYTES // split.images[0].numel()))
    chosen = in_turn(split.rows, labels, most, stream=draws.key(draws.DISTRACTORS))
    chosen = chosen[np.argsort(labels[chosen], kind="stable")]
    counts = np.bincount(labels[chosen], minlength=config.classes)
    if (counts > 0).sum() < 2:
        option = "--test-distractors" if name == "test" else "--distractors"
        raise InputError(f"{option} needs images of two classes, and the {name} images have one. Omit it")
    images = split.images[torch.from_numpy(split.members[chosen]).to(split.images.device)].to(place.device)
    starts = np.cumsum(counts) - counts
    return Distract(count, Pool(images, *(torch.from_numpy(each).to(place.device) for each in (starts, counts))), seed)


def given_labels(made: Mapping[str, Split]) -> dict[str, np.ndarray]:
    """Return the labels of train and validation that a run is given, int64 (n,) each. It waits for the device."""
    return {name: made[name].targets for name in ("train", "val")}


def record(rule: str, published: Mapping[str, np.ndarray], made: Mapping[str, Split]) -> dict[str, Any]:
    """Return the record's entry on label noise: how many labels of train and validation differ from the published ones.

    `published` are the labels by split, int64 (n,).
    """
    given = given_labels(made)
    changed = {name: int((labels != published[name]).sum()) for name, labels in given.items()}
    return {"rule": rule, **changed, "digest": labelling.digest(*given.values())}
