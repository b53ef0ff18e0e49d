"""The summary of a dataset, as an object and as lines: splits, classes, what is left out, inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..system.printable import printable
from .sources.layout import SHOWN, LeftOut

_TITLES = {"train": "train", "val": "validation", "test": "test"}
_WIDTH = 12


@dataclass(frozen=True, kw_only=True)
class Part:
    """A split as it is used: where its rows come from, and how many there are. None: unknown before reading."""

    name: str  # train | val | test
    place: str
    rows: int | None
    rows_per_class: Sequence[int] | None = None
    held_out: bool = False  # from train


@dataclass(frozen=True, kw_only=True)
class Target:
    """The name and the range of a regression's target, over the training rows."""

    name: str
    least: float
    mean: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Understood:
    """The summary printed before the first step. Before reading, everything except the splits may be unknown."""

    dataset: str
    where: str
    version: str | None
    parts: tuple[Part, ...]
    classes: int | None  # of a classification
    class_names: tuple[str, ...] | None
    target: Target | None
    left_out: tuple[LeftOut, ...]
    class_level: str
    readings: Mapping[str, int]  # class level -> classes, if the folders allow several levels
    notes: tuple[str, ...]
    inputs: str
    total: int | None  # rows that the cache has, or will have
    licence: str
    cached: bool

    @property
    def class_count(self) -> int:
        """Return the number of classes, or 1 for a regression."""
        return self.classes or 1

    @property
    def carved_test(self) -> bool:
        """Return whether test is held out from train."""
        return next(part.held_out for part in self.parts if part.name == "test")

    @property
    def rows(self) -> dict[str, int | None]:
        """Return the number of rows of each split that is used."""
        return {part.name: part.rows for part in self.parts}

    @property
    def rows_per_class(self) -> dict[str, int] | None:
        """Return the number of rows of each class over all splits, or None if they are unknown."""
        counts = [part.rows_per_class for part in self.parts]
        if self.class_names is None or any(count is None for count in counts):
            return None
        return {name: sum(count[at] for count in counts if count) for at, name in enumerate(self.class_names)}

    @property
    def majority(self) -> dict[str, Any] | None:
        """Return the class with the most training rows, and its share of the training and of the test rows."""
        counts = {part.name: part.rows_per_class for part in self.parts}
        train = counts.get("train")
        if self.class_names is None or not train or not sum(train):
            return None
        at = max(range(len(train)), key=lambda number: train[number])
        test = counts.get("test")
        share = {"train_share": train[at] / sum(train), "test_share": test[at] / sum(test) if test else None}
        return {"class": self.class_names[at], **share}

    def to_json(self) -> dict[str, Any]:
        """Return the summary as one JSON object."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "parts"}
        return values | {
            "splits": {
                part.name: {"place": part.place, "rows": part.rows, "held_out": part.held_out} for part in self.parts
            },
            "class_names": None if self.class_names is None else list(self.class_names),
            "rows_per_class": self.rows_per_class,
            "rows_per_class_of": {part.name: _by_name(self.class_names, part.rows_per_class) for part in self.parts},
            "majority": self.majority,
            "target": dataclasses.asdict(self.target) if self.target else None,
            "left_out": [dataclasses.asdict(each) | {"names": list(each.names)} for each in self.left_out],
            "readings": dict(self.readings),
            "notes": list(self.notes),
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines of the summary, for readers."""
        version = f", version {self.version[:16]}" if self.version else ""
        yield f"data: {printable(self.dataset)} from {printable(self.where)}{version}"
        for name, text in self._facts():
            yield f"  {name:<{_WIDTH}}{printable(text)}"

    def _facts(self) -> Iterator[tuple[str, str]]:
        for part in self.parts:
            rows = "rows unknown before reading" if part.rows is None else _many(part.rows, "row")
            yield _TITLES[part.name], f"{rows}, {part.place}"
        if self.target:
            least, mean, most = (f"{value:.6g}" for value in (self.target.least, self.target.mean, self.target.most))
            yield "target", f"{self.target.name}, {least} to {most} in the training rows, mean {mean}"
        elif self.classes is not None:
            yield "classes", f"{self.classes:,}{self._named_classes()}"
        if self.readings:
            used = {self.class_level: " (used)"}
            told = [
                f"--class-level {level}: {_many(n, 'class')}{used.get(level, '')}" for level, n in self.readings.items()
            ]
            yield "readings", "; ".join(told)
        if found := self.majority:
            test = "" if found["test_share"] is None else f", {100 * found['test_share']:.1f} % of the test rows"
            yield "majority", f"{found['class']}: {100 * found['train_share']:.1f} % of the training rows{test}"
        for each in self.left_out:
            yield "left out", each.text
        yield "inputs", self.inputs
        for note in self.notes:
            yield "note", note

    def _named_classes(self) -> str:
        if self.class_names is None:
            return ""
        counts = self.rows_per_class
        told = [f"{name}: {counts[name]:,}" if counts else name for name in self.class_names[:SHOWN]]
        more = f" and {len(self.class_names) - SHOWN:,} more" if len(self.class_names) > SHOWN else ""
        return f" ({', '.join(told)}{more}{'; rows of all splits' if counts else ''})"


def _by_name(names: Sequence[str] | None, counts: Sequence[int] | None) -> dict[str, int] | None:
    return None if names is None or counts is None else dict(zip(names, counts, strict=True))


def _many(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
