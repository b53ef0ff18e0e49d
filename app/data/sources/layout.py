"""The layout of a source: the origin of its splits, and what is left out and why, as plain values for a manifest."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ONE = re.compile(r"s\b(?= of |$)")  # the end of a plural: files, class folders, rows of train
SHOWN = 10  # the most names shown, of items left out and of classes


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows, files or folders that are in no split: what they are, the reason, their number, and the first names."""

    what: str  # a noun in the plural: rows of train, files, folders, images
    why: str
    count: int
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The item as text for a reader: 3 files: they are not images (a.txt, b.txt, ...)."""
        more = ", ..." if self.names and self.count > len(self.names) else ""
        names = f" ({', '.join(self.names)}{more})" if self.names else ""
        what = _ONE.sub("", self.what, count=1) if self.count == 1 else self.what
        count = f"{self.count:,} " if self.count else ""
        return f"{count}{what}: {self.why}{names}"

    @classmethod
    def of(cls, what: str, why: str, names: Sequence[str]) -> LeftOut:
        """Return the item for these names."""
        return cls(what=what, why=why, count=len(names), names=tuple(names[:SHOWN]))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The way in which a source was read, as far as the source reports it."""

    places: Mapping[str, str] = field(default_factory=dict)  # train, val, test -> folder, files or the source's name
    left_out: tuple[LeftOut, ...] = ()
    readings: Mapping[str, int] = field(default_factory=dict)  # class level -> its classes, if there are several
    notes: tuple[str, ...] = ()
    candidates: tuple[str, ...] = field(default=(), repr=False)  # files that a card may name

    def with_left_out(self, more: Iterable[LeftOut]) -> Layout:
        """Return the layout with more items that are left out."""
        return dataclasses.replace(self, left_out=(*self.left_out, *more))

    def to_json(self) -> dict[str, Any]:
        """Return the layout as plain values."""
        values = dataclasses.asdict(self)
        del values["candidates"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Layout:
        """Return the layout from the values of `to_json`.

        It is empty for a cache of an earlier version, which has none.
        """
        values = values or {}
        left_out = tuple(
            LeftOut(what=each["what"], why=each["why"], count=each["count"], names=tuple(each["names"]))
            for each in values.get("left_out", ())
        )
        return cls(
            places=dict(values.get("places", {})), left_out=left_out, readings=dict(values.get("readings", {})),
            notes=tuple(values.get("notes", ())),
        )  # fmt: skip
