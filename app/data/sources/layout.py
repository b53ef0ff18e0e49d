"""Layout: what a source's splits are made from, and what is left out of them and why; plain values for a manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 10  # names of what is left out, and of classes


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows, files or folders that no split contains: what they are, why, how many, and the first of them."""

    what: str  # a noun in the plural: rows of train, files, folders, images
    why: str
    count: int
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, what: str, why: str, names: Sequence[str]) -> LeftOut:
        """Return what these names are left out as."""
        return cls(what=what, why=why, count=len(names), names=tuple(names[:SHOWN]))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a source was read, as far as it says."""

    places: Mapping[str, str] = field(default_factory=dict)  # train, val, test -> folder, files or the source's name
    left_out: tuple[LeftOut, ...] = ()
    readings: Mapping[str, int] = field(default_factory=dict)  # class level -> its classes, where there are several
    notes: tuple[str, ...] = ()
    candidates: tuple[str, ...] = field(default=(), repr=False)  # files that a card may name, of which it names some

    def with_left_out(self, more: Iterable[LeftOut]) -> Layout:
        """Return the same with more that is left out."""
        return dataclasses.replace(self, left_out=(*self.left_out, *more))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        values = dataclasses.asdict(self)
        del values["candidates"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Layout:
        """Return the layout of `to_json`; an empty one where a cache of an earlier version has none."""
        values = values or {}
        left_out = tuple(
            LeftOut(what=each["what"], why=each["why"], count=each["count"], names=tuple(each["names"]))
            for each in values.get("left_out", ())
        )
        return cls(
            places=dict(values.get("places", {})), left_out=left_out, readings=dict(values.get("readings", {})),
            notes=tuple(values.get("notes", ())),
        )  # fmt: skip
