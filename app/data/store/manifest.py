"""The manifest of a cached dataset, `manifest.json`: the ask, the contents, and a digest of each file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ...system.durable import seal, text, write_text

NAME = "manifest.json"


class Array(msgspec.Struct, kw_only=True):
    """The storage of inputs that are not images."""

    dtype: str
    shape: list[int]  # of one input
    regression: bool


class File(msgspec.Struct, kw_only=True):
    """One file of the folder."""

    bytes: int
    sha256: str


class Pixels(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Images that were transparent or had more than 8 bits: rows by split, without splits that have none."""

    transparent: dict[str, int] = msgspec.field(default_factory=dict)  # composed onto white
    deep: dict[str, int] = msgspec.field(default_factory=dict)  # of 16 bits: low..high became 0..255
    clipped: dict[str, int] = msgspec.field(default_factory=dict)  # of those, rows with a value outside low..high
    low: int | None = None
    high: int | None = None

    def sentences(self, dataset: str) -> list[str]:
        """Return what a reader has to know of these images, one sentence each."""
        said = []
        if self.transparent:
            said.append(f"{_counted(self.transparent)} images of {dataset} are transparent: composed onto white")
        if self.deep:
            range_ = f"values {self.low:,} to {self.high:,} are scaled to 0 to 255"
            said.append(f"{_counted(self.deep)} images of {dataset} have 16 bits: {range_}")
        if self.clipped:
            said.append(f"{_counted(self.clipped)} images of {dataset} have values outside this range: clipped")
        return said


def _counted(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in rows.items())


class Manifest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The manifest of a complete cache. None means that the file lacks the key. Fields are in the file's order."""

    ask: dict[str, Any]  # the fields of an Ask that decide the bytes
    array: Array | None = None
    left_out: list[str] | None = None  # files, or images with the reason, that could not be read
    pixels: Pixels | None = None  # None: all images are opaque and of 8 bits, or were decoded by revision 1
    notes: list[str] | None = None
    layout: dict[str, Any] | None = None  # a sources.layout.Layout: the sources of the splits, and what is left out
    version: str
    rows: dict[str, int]  # rows with a label, by split
    unlabelled: dict[str, int]
    class_names: list[str]
    licence: str
    stream: dict[str, Any] | None = None  # of earlier versions: the training rows are not in the cache
    files: dict[str, File]
    made: float  # seconds since 1970


class Unreadable(ValueError):
    """A manifest is damaged. The message gives the reason."""


def of(facts: Mapping[str, Any]) -> Manifest:
    """Return the manifest of these facts, and assert that every name is known."""
    strange = facts.keys() - set(Manifest.__struct_fields__)
    assert not strange, f"a manifest has no {', '.join(sorted(strange))}"
    return msgspec.convert(facts, Manifest)


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a cache folder, with its seal."""
    content = msgspec.to_builtins(manifest)
    write_text(folder / NAME, json.dumps(content | {"seal": seal(content)}, indent=1))


def read(folder: Path) -> Manifest:
    """Return the manifest of a cache folder. Raise Unreadable unless it matches its seal."""
    try:
        content = json.loads(text(folder / NAME))
        given = content.pop("seal")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise Unreadable("its manifest cannot be read") from error
    if given != seal(content):
        raise Unreadable("its manifest does not match its checksum")
    try:
        return msgspec.convert(content, Manifest)
    except msgspec.ValidationError as error:
        raise Unreadable(f"its manifest cannot be read: {error}") from error
