"""Lists of nested-cylinder files for train, val and test, by simulation: frames of one simulation are nearly alike."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from app import draws, durable
from app.errors import InputError
from app.recipes import FIELD_FILES

_SPLIT = 0x5917  # what a key of draws is for, beside those of `draws`


def lists(
    folder: Path, *, fractions: Mapping[str, float], by: str, seed: int, pattern: str = FIELD_FILES
) -> tuple[dict[str, list[Path]], list[Path]]:
    """The files of each split, and those that cannot be read, from a folder of `.npz` files.

    `by` is "simulation" (the first three words of a file's name stay in one split) or "file". Raises InputError where
    there are no files, or too few of them for a split that has a share.
    """
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    unreadable = [path for path in files if not readable(path)]
    files = [path for path in files if path not in set(unreadable)]
    if not files:
        broken = f" but {len(unreadable):,} that cannot be read" if unreadable else ""
        raise InputError(f"{folder} holds no file {pattern}{broken}; name the folder that has them")
    units: dict[str, list[Path]] = {}
    for path in files:
        units.setdefault(simulation(path) if by == "simulation" else path.name, []).append(path)
    names = sorted(units)
    order = [names[i] for i in draws.permutation(draws.key(_SPLIT, seed), len(names))]
    out, first = {}, 0
    for split, fraction in fractions.items():
        last = first + int(np.floor(len(order) * fraction + 1e-9))
        if fraction and last == first:
            raise InputError(f"{len(order):,} {by}s are too few for a share of {fraction:g} as {split}; make it larger")
        out[split] = sorted(path for name in order[first:last] for path in units[name])
        first = last
    return out, unreadable


def simulation(path: Path) -> str:
    """A file's simulation: the first three words of its name."""
    return "_".join(path.name.split("_")[:3])


def readable(path: Path) -> bool:
    """Whether a file is an archive whose every member is whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.namelist()) and archive.testzip() is None
    except (OSError, ValueError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error):
        return False


def write(found: Mapping[str, list[Path]], out: Path) -> list[Path]:
    """Writes `datalist_{split}_samples.txt`, a path per line, for each split that has files; returns their paths.

    Raises InputError, before any is written, where one is there already and says something else.
    """
    texts = {out / f"datalist_{split}_samples.txt": "".join(f"{path}\n" for path in paths)
             for split, paths in found.items() if paths}  # fmt: skip
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode():
            raise InputError(f"{path} is there and lists other files; give --out a new folder")
    for path, text in texts.items():
        durable.write_text(path, text)
    return list(texts)


def require_fractions(fractions: Mapping[str, float]) -> None:
    """Raises InputError unless the shares lie between 0 and 1, and their sum too."""
    shown = ", ".join(f"{split} {fraction:g}" for split, fraction in fractions.items())
    if not all(0 <= fraction <= 1 for fraction in fractions.values()) or not 0 < sum(fractions.values()) <= 1 + 1e-9:
        raise InputError(f"the shares {shown} must each lie within 0 and 1, and their sum above 0 and at most 1")
