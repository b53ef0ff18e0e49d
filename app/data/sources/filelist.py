"""Lists of field files for train, val and test, one path per line.

The split is by simulation, because the frames of a simulation are nearly alike. The lists have the names of
lanl/CNN-T2TViT-comparison.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ... import draws
from ...errors import InputError
from ...system import durable
from ...system.printable import printable
from .design import key_of

_SPLIT = 0x5917  # the purpose of a key of draws, in addition to those of `draws`
_SPLITS = ("train", "val", "test")
_LISTS = ("datalist_{}_samples.txt", "PVI_only_{}_samples.txt")  # `write` uses the first
_VELOCIMETRY = "_pdv_"  # marks files of the same simulations that contain no fields


def field_files(root: Path) -> tuple[list[Path], int]:
    """Return the `.npz` files of fields below a folder, sorted by name, and the number of velocimetry files."""
    every = sorted(path for path in root.rglob("*.npz") if path.is_file() and not _hidden(path.relative_to(root)))
    files = [path for path in every if _VELOCIMETRY not in path.name]
    return files, len(every) - len(files)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def divided(
    folder: Path, *, fractions: Mapping[str, float], by: str, seed: int
) -> tuple[dict[str, list[Path]], list[Path], list[Path]]:
    """Return the files of each split, those of none, and those that cannot be read, from a folder of `.npz` files.

    Shares are rounded down, as published, so files may be in no split although the fractions sum to 1.

    `by` is "simulation" (all files with the same first three words in their names stay in one split) or "file". Raises
    InputError if there are no files, or too few of them for a split that has a share.
    """
    files, _ = field_files(folder)
    unreadable = [path for path in files if not readable(path)]
    files = [path for path in files if path not in set(unreadable)]
    if not files:
        broken = f", only {len(unreadable):,} that cannot be read" if unreadable else ""
        raise InputError(f"{folder} contains no readable .npz files of fields{broken}. Name the folder that has them")
    units: dict[str, list[Path]] = {}
    for path in files:
        units.setdefault(key_of(path.name) if by == "simulation" else path.name, []).append(path)
    names = sorted(units)
    order = [names[i] for i in draws.permutation(draws.key(_SPLIT, seed), len(names))]
    out, first = {}, 0
    for split, fraction in fractions.items():
        last = first + int(np.floor(len(order) * fraction + 1e-9))
        if fraction and last == first:
            raise InputError(
                f"{len(order):,} {by}s are too few for a share of {fraction:g} as {split}. Use a larger share"
            )
        out[split] = sorted(path for name in order[first:last] for path in units[name])
        first = last
    return out, sorted(path for name in order[first:] for path in units[name]), unreadable


def readable(path: Path) -> bool:
    """Return whether a file is an archive whose members are all complete."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.namelist()) and archive.testzip() is None
    except (OSError, ValueError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error):
        return False


def write(found: Mapping[str, list[Path]], out: Path) -> list[Path]:
    """Write `datalist_{split}_samples.txt`, one path per line, for each split that has files. Return their paths.

    Raises InputError, before any is written, if one exists with other contents.
    """
    texts = {out / _LISTS[0].format(split): "".join(f"{path}\n" for path in paths)
             for split, paths in found.items() if paths}  # fmt: skip
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode():
            raise InputError(f"{path} exists and lists other files. Give --out a new folder")
    for path, text in texts.items():
        durable.write_text(path, text)
    return list(texts)


def require_fractions(fractions: Mapping[str, float]) -> None:
    """Raise InputError unless the shares and their sum are between 0 and 1."""
    shown = ", ".join(f"{split} {fraction:g}" for split, fraction in fractions.items())
    if not all(0 <= fraction <= 1 for fraction in fractions.values()) or not 0 < sum(fractions.values()) <= 1 + 1e-9:
        raise InputError(
            f"the shares {shown} are out of range. Use numbers from 0 to 1 with a sum above 0 and at most 1"
        )


def lists(given: str) -> dict[str, Path]:
    """Return the lists of train, val and test in a folder, or next to a named list.

    A list with another name is the list of train. Raises InputError if there are none, or if there are lists of both
    kinds of upstream's names.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        sets = [found for name in _LISTS if (found := _present(path, name))]
        if len(sets) != 1:
            names = " or ".join(name.format("{train,val,test}") for name in _LISTS)
            none = f"no {names}. Give a folder with these lists, or a list"
            what = "both kinds of lists. Name the train list of one kind" if sets else none
            raise InputError(f"the folder {given} contains {what}")
        return sets[0]
    if not path.is_file():
        raise InputError(f"the list {given} does not exist. Give --filelist a folder of lists, or one of them")
    for name in _LISTS:
        if path.name in [name.format(split) for split in _SPLITS]:
            return _present(path.parent, name)
    return {"train": path}


def _present(folder: Path, name: str) -> dict[str, Path]:
    return {split: path for split in _SPLITS if (path := folder / name.format(split)).is_file()}


def listed(path: Path, root: Path) -> list[Path]:
    """Return the files of a list.

    A path is used as it is, relative to the data's folder or to the list's folder, or by its file name in the data's
    folder. Raises InputError for a list that is empty, names a file twice, or names a file that does not exist.
    """
    try:
        lines = [line.strip() for line in durable.text(path, "utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the list {path} cannot be read as text ({str(error).splitlines()[0]}). Save it as text in UTF-8"
        ) from error
    names = [line for line in lines if line]
    if not names:
        raise InputError(f"the list {path} is empty. Write one path per line")
    found = {name: _resolved(name, root, path.parent) for name in names}
    if missing := [name for name, file in found.items() if file is None]:
        shown = printable(missing[0][:120])
        raise InputError(
            f"{len(missing):,} of the {len(names):,} files of {path} do not exist, such as {shown}. Fix these paths"
        )
    files = [file for name in names if (file := found[name])]
    if twice := [file.name for file, count in Counter(files).items() if count > 1]:
        raise InputError(f"the list {path} names {printable(twice[0])} twice. Keep one of the lines")
    return files


def _resolved(name: str, root: Path, beside: Path) -> Path | None:
    if "\0" in name:
        return None
    for place in (root / name, Path(name), beside / name, root / Path(name).name):
        try:
            if place.is_file():
                return Path(os.path.realpath(place))
        except OSError:  # the line is longer than a path may be
            return None
    return None


def shared(splits: Iterable[Iterable[Path]]) -> int:
    """Return the number of simulations that are in more than one of the lists, which a split by file leaks."""
    count = Counter(key for files in splits for key in {key_of(file.name) for file in files})
    return sum(number > 1 for number in count.values())
