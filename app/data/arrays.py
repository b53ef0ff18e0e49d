"""Images in arrays: the user's, written as a folder that a run reads, and those of a dataset in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError, failure_of
from ..system import home
from .sources import words
from .store.cache import Cached

_LONGEST = 255  # bytes of a name in a file system
_DIMENSIONS = (3, 4)  # (N, H, W) and (N, H, W, C)


@dataclass(frozen=True)
class Rows:
    """The labelled rows of one split. `images` is memory-mapped: uint8 (N, C, H, W), float32 of fields and signals."""

    images: np.ndarray
    labels: np.ndarray  # int64 (N,), the number of the class; float32 of a regression


@dataclass(frozen=True)
class Arrays:
    """A dataset as its source publishes it: rows by split, before validation and test are held out from train."""

    splits: Mapping[str, Rows]
    class_names: tuple[str, ...]  # in the order of the labels; of a regression the target's name

    def __getitem__(self, split: str) -> Rows:
        """Return the rows of a split. Raises InputError for a split that the source lacks."""
        if split not in self.splits:
            raise InputError(f"the dataset has no split {split!r}. Its splits: {', '.join(self.splits)}")
        return self.splits[split]


def of_cached(cached: Cached) -> Arrays:
    """Return the arrays of a dataset in the cache. Images have the side at which the cache stores them."""
    found = {
        split: Rows(cached.images(split), cached.array(split, "labels"))
        for split, count in cached.manifest.rows.items()
        if count
    }
    return Arrays(found, tuple(cached.manifest.class_names))


def folder_of(images: Any, labels: Any, folder: Path | None = None) -> Path:
    """Write images as PNG files in one folder per class, and return the folder, which `dataset` accepts.

    `images` are uint8 (N, H, W) or (N, H, W, C) with 1, 3 or 4 channels, and `labels` are N whole numbers from 0 or
    class names. Default folder: one in the cache that is named by the content, so that equal arrays are one run.
    Raises InputError for other arrays, and for a folder with something else in it.
    """
    pixels, names = _pixels(images), _names(labels)
    if len(pixels) != len(names):
        raise InputError(f"there are {len(pixels):,} images and {len(names):,} labels. Give one label per image")
    digest = hashlib.sha256(repr((pixels.shape, names)).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
    target = folder or home.root() / "arrays" / f"arrays-{digest[:8]}"
    mark = target / ".arrays"
    if target.exists():
        if mark.is_file() and mark.read_text() == digest:
            return target
        raise InputError(f"the folder {target} exists and does not contain these arrays. Give another folder")
    aside = target.with_name(f".{target.name}.{os.getpid()}.aside")
    try:
        _write(aside, pixels, names)
        (aside / mark.name).write_text(digest)
        aside.rename(target)
    except OSError as error:
        raise (failure_of(error) or _unwritable(target, error)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _write(folder: Path, pixels: np.ndarray, names: Sequence[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name in dict.fromkeys(names):
        (folder / name).mkdir(parents=True)
    for number, (image, name) in enumerate(zip(pixels, names, strict=True)):
        Image.fromarray(image).save(folder / name / f"{number:07d}.png", compress_level=1)


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"the folder {folder} cannot be written ({error.strerror or error}). Give another folder")


def _pixels(images: Any) -> np.ndarray:
    try:
        found = np.asarray(images)
    except ValueError:  # of different shapes
        raise InputError("the images differ in size. Give all of them the same height, width and channels") from None
    found = found[..., 0] if found.ndim == _DIMENSIONS[1] and found.shape[3] == 1 else found
    fits = found.ndim in _DIMENSIONS and (found.ndim == _DIMENSIONS[0] or found.shape[3] in (3, 4))
    if found.dtype != np.uint8 or not fits or not found.size:
        raise InputError(
            f"the images have the type {found.dtype} and the shape {found.shape}. Use uint8 (N, H, W) or (N, H, W, 3)"
        )
    return found


def _names(labels: Any) -> list[str]:
    """Return the class of each image, which is the name of its folder. Numbers have equal lengths, to stay in order."""
    try:
        found: Sequence[Any] = np.asarray(labels).tolist()
    except ValueError:  # lists of different lengths
        found = ()
    if not isinstance(found, list) or not all(isinstance(each, int | str) for each in found):
        raise InputError("the labels are not whole numbers or class names. Give one of them per image")
    if wrong := [each for each in found if isinstance(each, int) and (each < 0 or isinstance(each, bool))]:
        raise InputError(f"the label {wrong[0]} is not a class. Use whole numbers from 0, or names")
    wide = max((len(str(each)) for each in found if isinstance(each, int)), default=0)
    names = [f"{each:0{wide}d}" if isinstance(each, int) else each for each in found]
    alike: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if (other := alike.setdefault(name.casefold(), name)) != name:
            raise InputError(
                f"the class names {other!r} and {name!r} differ in case only, and some systems make one folder of "
                "both. Use other names"
            )
        if not name or "/" in name or name.startswith(".") or not name.isprintable() or words.split_of(name):
            raise InputError(f"the class name {name!r} cannot be the name of a class folder. Use another name")
        if (length := len(os.fsencode(name))) > _LONGEST:
            raise InputError(f"the class name {name[:40]}... has {length} bytes. Use at most {_LONGEST}")
    return names
