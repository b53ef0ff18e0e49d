"""Fields of simulations: one `.npz` per simulation and time, targets in a design CSV, splits by simulation."""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...system.durable import sha256
from ...system.printable import printable
from ...tables.names import suggestion
from ...tables.reading import FieldReading
from . import design, filelist, synthetic
from .files import folder
from .layout import Layout
from .source import Array, Ask, Example, Source

_MOST_BYTES = 1 << 31  # of one field in memory
_TRIES = 10  # of parsing a header, which may fail if several threads parse at once


class Unreadable(Exception):
    """An error for a file that is not a complete archive."""


@dataclass(frozen=True)
class _Found:
    """The files that a command selects, with their splits, lists and notes."""

    root: Path
    design: Path
    splits: Mapping[str, list[Path]]
    lists: Mapping[str, Path]
    notes: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        return [file for files in self.splits.values() for file in files]


def find(ask: Ask) -> _Found:
    """Return the files of a folder or of the lists.

    Raises InputError if there are none, or if two lists name the same file.
    """
    assert ask.path
    if not Path(ask.path).expanduser().is_dir():
        raise InputError(f"the folder {ask.path} does not exist. Give --data the folder of the .npz files")
    root = folder(ask.path)
    csv, notes = design.design_file(root, ask.design), list(synthetic.notes(root))
    if not ask.filelist:
        files, velocimetry = filelist.field_files(root)
        if velocimetry:
            notes.append(f"{velocimetry:,} velocimetry files (*_pdv_*) of {ask.path} are not read")
        if not files:
            raise InputError(f"{ask.path} contains no .npz files. Make some with `data make nested_cylinder`")
        assert isinstance(ask.reading, FieldReading)
        return _Found(root, csv, {"test" if ask.reading.whole else "train": files}, {}, tuple(notes))
    named = filelist.lists(ask.filelist)
    splits = {split: filelist.listed(path, root) for split, path in named.items()}
    if ask.reading and ask.reading.whole:
        splits = {"test": splits.get("test") or [file for files in splits.values() for file in files]}
        return _Found(root, csv, splits, named, tuple(notes))
    if ask.carve_test and splits.pop("test", []):
        notes.append("the list of test is not read: test is held out from train's, by simulation")
    if "train" not in splits:
        raise InputError(
            f"the lists of {ask.filelist} are {', '.join(splits)}, and the one of train is missing. Add it"
        )
    _require_apart(splits)
    if leaking := filelist.shared(splits.values()):
        notes.append(
            f"the lists have {leaking:,} simulations in more than one split: test and validation hold frames of "
            "simulations that are trained on"
        )
    return _Found(root, csv, splits, named, tuple(notes))


def _places(found: _Found) -> dict[str, str]:
    """Return a description of the files of each split."""
    return {
        split: printable(str(found.lists.get(split) or f"{len(files):,} files of {found.root}"))
        for split, files in found.splits.items()
    }


def _require_apart(splits: Mapping[str, list[Path]]) -> None:
    seen: dict[Path, str] = {}
    for split, files in splits.items():
        for file in files:
            if seen.setdefault(file, split) != split:
                raise InputError(
                    f"{printable(file.name)} is in both the {seen[file]} and the {split} list. Remove it from one of "
                    "them"
                )


def fingerprint(ask: Ask) -> str:
    """Return 16 hex digits of a hash over the files' names, contents and splits, and over the design file."""
    found, digest = find(ask), hashlib.sha256()
    digest.update(f"{sha256(found.design)}\n".encode())
    for split, files in found.splits.items():
        for file in files:
            digest.update(os.fsencode(f"{split}\0{file.name}\0{sha256(file)}\n"))
    if found.lists:
        digest.update(b"listed")
    return digest.hexdigest()[:16]


def shape(ask: Ask) -> tuple[int, int, int]:
    """Return the shape of the model's inputs, (channels, H, W), from the first readable file.

    Raises InputError if no file can be read.
    """
    assert isinstance(ask.reading, FieldReading)
    for file in find(ask).files:
        try:
            raw = _header(file, ask.reading.fields[0])
        except Unreadable:
            continue
        return (len(ask.reading.fields), *_taken(raw, ask.reading, file))
    raise InputError(f"none of the .npz files of {ask.path} can be read. Copy or rebuild them")


def open_fields(ask: Ask) -> Source:
    """Return the fields as rows: channels (C, H, W) float, the target, and the simulation as group.

    Files that are not complete archives are left out and named. Raises InputError, also while rows are read, for a
    field that is missing, of another shape, or not finite.
    """
    reading = ask.reading
    assert isinstance(reading, FieldReading)
    found = find(ask)
    target = _targets(found, reading.target)
    size = shape(ask)

    def examples(split: str) -> Iterator[Example]:
        weight = 4 * math.prod(size)
        for file in found.splits[split]:
            key = design.key_of(file.name)
            yield Example(b"", target[key], key, file=str(file), weight=weight)

    left_out: list[str] = []

    def decode(example: Example) -> np.ndarray | None:
        try:
            return read(Path(example.file), reading, size)
        except Unreadable:
            left_out.append(Path(example.file).name)
            return None

    return Source(
        version=fingerprint(ask),
        rows={split: len(files) for split, files in found.splits.items()},
        class_names=(reading.target,),
        examples=examples,
        notes=found.notes,
        array=Array(reading.stored_dtype, size, decode, left_out),
        regression=True,
        layout=lambda: Layout(places=_places(found)),
        outline=examples,
    )


def _targets(found: _Found, column: str) -> dict[str, float]:
    """Return the targets of the simulations. Raise InputError for a file whose simulation has no target."""
    target = design.targets(found.design, column)
    if strangers := [file.name for file in found.files if design.key_of(file.name) not in target]:
        shown = ", ".join(map(printable, strangers[:3]))
        raise InputError(
            f"{len(strangers):,} files have no row in the design file {found.design}: {shown}. Add their rows, or "
            "remove the files"
        )
    return target


def read(path: Path, reading: FieldReading, size: tuple[int, int, int]) -> np.ndarray:
    """Return the channels of one file as the cache stores them: (C, H, W).

    Raises Unreadable for a file that is not a complete archive, and InputError for fields that cannot be used.
    """
    channels = []
    for name in reading.fields:
        raw = _header(path, name)
        if (taken := _taken(raw, reading, path)) != size[1:]:
            raise InputError(
                f"{printable(path.name)}: {name} has {taken[0]}x{taken[1]} pixels, but other files have "
                f"{size[1]}x{size[2]}. Select a region that all files have with --crop"
            )
        try:
            field = _parsed(partial(_field, path, name))
        except Exception as error:  # a reader may raise any error for a damaged file
            raise Unreadable from error
        part = field[slice(*reading.rows), slice(*reading.columns)]
        with np.errstate(over="ignore"):
            part = part.astype(reading.stored_dtype)
        if not np.isfinite(part).all():
            wide = f" as {reading.stored_dtype}. Use --stored-dtype float32" if np.isfinite(field).all() else ""
            raise InputError(
                f"{printable(path.name)}: {name} contains numbers that are not "
                f"finite{wide or '. Fix or remove the file'}"
            )
        channels.append(np.concatenate([np.fliplr(part), part], axis=1) if reading.mirror else part)
    return np.stack(channels)  # (C, H, W)


def _header(path: Path, name: str) -> tuple[int, ...]:
    """Return the shape of a field from its file.

    Raises InputError for a field that is missing or has no real numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.removesuffix(".npy") for entry in archive.namelist() if entry.endswith(".npy")]
            if name not in names:
                missing = f"{printable(path.name)} has no field {printable(name)!r}"
                raise InputError(f"{missing}. {suggestion(name, names) if names else 'It has no fields. Remove it'}")
            info = archive.getinfo(f"{name}.npy")
            found, dtype = _parsed(partial(_described, archive, info))
    except InputError:
        raise
    except Exception as error:  # as in `read`
        raise Unreadable from error
    where = f"{printable(path.name)}: {printable(name)}"
    if dtype.kind not in "fiu":
        held = "Python objects" if dtype.hasobject else dtype
        raise InputError(f"{where} contains {held}, not real numbers. Choose another --field")
    if len(found) != 2 or min(found) < 1:
        raise InputError(f"{where} has the shape {found}, not rows x columns. Choose another --field")
    claimed = math.prod(found) * dtype.itemsize
    if claimed > min(info.file_size, _MOST_BYTES):
        raise InputError(
            f"{where} claims {claimed:,} bytes, more than its file has or a field may have (2 GiB). Rebuild the file"
        )
    return found


def _field(path: Path, name: str) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        return archive[name]


def _described(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and the dtype of an `.npy` file in an archive."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise ValueError(f"version {version}")
        found, _, dtype = read_header[version](member)
    return found, dtype


def _parsed(read: Callable[[], Any]) -> Any:
    """Return the result of `read`, which is called again if the interpreter's parser fails.

    numpy parses a header with `ast.literal_eval`. In CPython 3.11 that may raise SystemError, about its recursion
    depth, while another thread parses (python/cpython issue 106905). The file is complete and must not be left out.
    """
    for _ in range(_TRIES - 1):
        with suppress(SystemError):
            return read()
    return read()


def _taken(raw: tuple[int, ...], reading: FieldReading, path: Path) -> tuple[int, int]:
    """Return (H, W) of the selected part of a field of (rows, columns). Raise InputError if it is out of range."""
    spans = []
    for has, (first, end), what in zip(raw, (reading.rows, reading.columns), ("rows", "columns"), strict=True):
        last = has if end is None else end
        if not 0 <= first < last <= has:
            raise InputError(
                f"{printable(path.name)} has {has:,} {what}, of which {first}:{last} is out of range. Select another "
                "part with --crop TOP:BOTTOM,LEFT:RIGHT"
            )
        spans.append(last - first)
    return spans[0], spans[1] * (2 if reading.mirror else 1)
