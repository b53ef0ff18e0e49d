"""The labels of a source while they are read. Missing labels are counted, and doubtful ones are refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import InputError
from ...system.printable import printable
from . import names
from .layout import Layout, LeftOut
from .source import Ask, Example, Hidden, Revised, Source

_INSTEAD = "--test-fraction 0.2 holds out a test set from train instead"
_FEW = 10  # rows: fewer may have a class each


@dataclass
class Audit:
    """The labels seen so far in a source's splits."""

    ask: Ask
    source: Source
    where: str  # the origin of the labels: column label of ./photos
    unlabelled: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (split, why) -> rows
    counts: dict[str, Counter[Any]] = field(default_factory=dict)  # split -> labels

    def examples(self, split: str, given: Iterator[Example]) -> Iterator[Example]:
        """Yield the examples with interpreted labels. At the end, raise InputError or Hidden for doubtful ones."""
        counts = self.counts[split] = Counter()
        for key in [key for key in self.unlabelled if key[0] == split]:
            del self.unlabelled[key]
        number = -1
        for number, example in enumerate(given):
            label, why = self._meant(example.label)
            if why:
                self.unlabelled.setdefault((split, why), []).append(f"row {number}")
            else:
                counts[label] += 1
            yield example._replace(label=label)
        self._judge(split, number + 1)

    def layout(self) -> Layout:
        """Return the source's layout, with the rows that have no label."""
        more = [LeftOut.of(f"rows of {split}", why, rows) for (split, why), rows in self.unlabelled.items()]
        return self.source.layout().with_left_out(more)

    def _meant(self, label: Any) -> tuple[Any, str]:
        """Return a label as it is meant, and the reason if it is missing. An integral float becomes an integer."""
        if isinstance(label, float):
            label = None if math.isnan(label) else self._whole(label)
        if isinstance(label, str) and not label.strip():
            if self.ask.layout < 2:
                raise Revised(f"{self.where} has empty labels, which earlier versions took for a class")
            return None, "empty label"
        if label is None:
            return None, "no label (None)"
        if label == -1 and not isinstance(label, bool):
            return label, "label -1"
        named = self.source.class_names
        if named and isinstance(label, int) and 0 <= label < len(named) and named[label] in self.ask.unlabelled:
            return label, f"class {named[label]}"
        return label, ""

    def _whole(self, label: float) -> int:
        if not label.is_integer():
            raise InputError(
                f"{self.where} contains {label:g} (float), not one class per row. Name another column with "
                "--label-column"
            )
        return int(label)

    def _judge(self, split: str, seen: int) -> None:
        """Raise InputError for labels that are doubtful, and Hidden for a split without any."""
        counts = self.counts[split]
        if seen and not counts:
            hint = _INSTEAD if split == "test" and not self.ask.tested else "Name another column with --label-column"
            says = f"the {split} split of {self.ask.dataset} has no labels: none of its {seen:,} rows has one. {hint}"
            raise Hidden(says, split, seen)
        if self.source.class_names is not None:
            return
        texts = {label for found in self.counts.values() for label in found if isinstance(label, str)}
        names.require_apart(texts, self.where)
        rows = counts.total()
        if split == "train" and not self.ask.tested:
            self._require_two(counts)
        if split == "train" and (rows > 2 * len(counts) - 1 or rows < _FEW) and not len(counts) == rows > 2:
            return
        if split == "train":
            shown = ", ".join(printable(str(label)) for label in list(counts)[:3])
            raise InputError(
                f"{self.where} gives {len(counts):,} classes for {rows:,} rows ({shown}, ...), which looks like an ID "
                "and not a class. Name the column of the classes with --label-column"
            )

    def _require_two(self, counts: Counter[Any]) -> None:
        """Raise InputError for train labels that are all one class."""
        if len(counts) > 1:
            return
        minus = ("train", "label -1") in self.unlabelled
        hint = " If -1 is a class and not a missing label, give it another name." if minus else ""
        name = printable(str(next(iter(counts), None)))
        raise InputError(
            f"{self.where} has 1 class. At least 2 are needed. All labels are {name}.{hint} Add rows of another "
            "class, or name another column with --label-column"
        )


def audited(ask: Ask, source: Source, where: str) -> Source:
    """Return the source with its labels checked while they are read."""
    audit, outline, otherwise = Audit(ask, source, where), source.outline, source.without_test
    return replace(
        source,
        examples=lambda split: audit.examples(split, source.examples(split)),
        outline=(lambda split: audit.examples(split, outline(split))) if outline else None,
        layout=audit.layout,
        without_test=(lambda rows: audited(ask, otherwise(rows), where)) if otherwise else None,
    )
