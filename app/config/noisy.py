"""The noise of a run: what is refused, and sentences for readers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..tables import corruptions, label_noise
from ..tables.shape import Extent, plane
from .settings import Noise, flag

_LEAST_SIDE = 8  # pixels of an image with distractors, whose patches have a quarter of its side


def path_of(request: Mapping[str, Any]) -> str | None:
    """Return the file of labels that a request names, or None."""
    text = request.get("label_noise", label_noise.NONE)
    return text if label_noise.is_path(text) else None


def require_read(request: Mapping[str, Any]) -> None:
    """Raise InputError for a request with a file of labels that was not read, because the run ID depends on it."""
    if path := path_of(request):
        raise InputError(
            f"the labels of --label-noise {path} are unknown until they are read. Give sha256:DIGEST of the file"
        )


def check(noise: Noise, *, task: str, channels: int, stored: Extent) -> None:
    """Raise InputError for noise that does not fit the images or the task. `stored` is the side of stored images."""
    if task == "regression":
        for name in ("label_noise", "distractors", "test_distractors"):
            if (value := getattr(noise, name)) not in (label_noise.NONE, 0):
                raise InputError(f"{name}={value} has no effect on a regression. Omit {flag(name)}")
    if noise.label_noise != (shortest := label_noise.canonical(noise.label_noise)):
        raise InputError(f"label_noise={noise.label_noise} is not written in its shortest form. Use {shortest}")
    require_read({"label_noise": noise.label_noise})
    for name in ("distractors", "test_distractors"):
        require_side(name, getattr(noise, name), stored)
    corruption = corruptions.parsed(noise.corrupt_train)
    if corruption and corruptions.CORRUPTIONS[corruption[0]].colour and channels != 3:
        raise InputError(
            f"corrupt_train={noise.corrupt_train} works on images of three channels, and these have {channels}. Use "
            "another corruption"
        )
    if corruption and (values := channels * math.prod(plane(stored))) > corruptions.MOST_VALUES:
        raise InputError(
            f"corrupt_train={noise.corrupt_train} draws at most {corruptions.MOST_VALUES:,} values, and an image has "
            f"{values:,}. Use a smaller --image"
        )


def require_side(name: str, count: int, stored: Extent) -> None:
    """Raise InputError for distractors in images that are stored too small. `name` is that of the setting."""
    if count and min(plane(stored)) < _LEAST_SIDE:
        raise InputError(
            f"{name}={count} needs images of {_LEAST_SIDE} px or more, and these are stored at "
            f"{min(plane(stored))} px. Use a larger --image, or omit {flag(name)}"
        )


def settings(noise: Noise) -> dict[str, Any]:
    """Return the settings of the noise that are not at their defaults, by name."""
    names = ("label_noise", "distractors", "test_distractors", "corrupt_train")
    return {name: value for name in names if (value := getattr(noise, name)) not in ("none", 0)}


def sentences(noise: Noise) -> dict[str, str]:
    """Return what each kind of noise does, as a phrase by a short name. Empty without noise."""
    found = {}
    if rule := label_noise.parsed(noise.label_noise):
        how = {
            label_noise.SYMMETRIC: f"with probability {rule.rate:g}, a label becomes another class (symmetric)",
            label_noise.ASYMMETRIC: f"with probability {rule.rate:g}, a label becomes its next class (asymmetric)",
            label_noise.FILE: f"labels from a file (sha256 {rule.digest[:16]})",
        }[rule.rule]
        found["label noise"] = f"{how}, in train and in validation rows held out from train; test labels are unchanged"
    if noise.distractors or noise.test_distractors:
        found["distractors"] = (
            f"{noise.distractors} patches of other classes in each training and validation image, "
            f"{noise.test_distractors} in each test image"
        )
    if noise.corrupt_train != corruptions.NONE:
        found["corruption"] = f"{noise.corrupt_train} in training and validation images, the same in every epoch"
    return found
