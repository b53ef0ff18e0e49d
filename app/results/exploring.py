"""The change of accuracy under each corruption, between two models: exploratory, without a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..statistics.crossed import Estimate, crossed
from ..statistics.several import discoveries
from ..tables.corruptions import PRIMARY
from .arms import Arm
from .corrupted import Corrupted
from .gap import Gap
from .joining import Table


@dataclass(frozen=True, kw_only=True)
class Explored(Gap):
    """H of one corruption, or of a set of them. Above 0, A keeps more."""

    corruptions: int

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        return {"corruptions": self.corruptions, **super().to_json()}


def primary(table: Table, a: Arm, b: Arm) -> Explored:
    """Return H of the primary corruptions for two arms, with its unadjusted p value. `table` is of these arms."""
    assert table.corrupted, "the table is of corrupted images"
    found = _estimate(table, table.corrupted, PRIMARY, a, b)
    return Explored(
        name="primary noises", corruptions=len(PRIMARY), examples=found.examples,
        difference=found.difference, interval=found.interval(), adjusted=found.p,
    )  # fmt: skip


def explored(table: Table, a: Arm, b: Arm) -> tuple[Explored, ...]:
    """Return H of each set and corruption for two arms, without a family's correction of the intervals.

    A corruption that was tested on a part of the rows is compared on that part. It is empty for other metrics than
    `noise`, for folds, and for runs with different test sets.
    """
    more = table.corrupted
    if more is None or table.metric.name != "noise" or not table.same_rows or table.first.folds is not None:
        return ()
    found = [_estimate(table, more, names, a, b) for names in more.explored.values()]
    adjusted = discoveries([each.p for each in found])
    return tuple(
        Explored(
            name=name.replace("_", " "), corruptions=len(names), examples=each.examples, difference=each.difference,
            interval=each.interval(), adjusted=p,
        )
        for (name, names), each, p in zip(more.explored.items(), found, adjusted, strict=True)
    )  # fmt: skip


def _estimate(table: Table, more: Corrupted, names: Sequence[str], a: Arm, b: Arm) -> Estimate:
    kept = more.kept(names)
    rows = np.intersect1d(kept[a.runs[0].files.record].rows, table.first.rows)
    scores = [
        np.stack([each.changes(names)[np.searchsorted(each.rows, rows)] for each in map(kept.get, _files(arm)) if each])
        for arm in (a, b)
    ]  # fmt: skip
    groups = None if table.groups is None else table.groups[np.searchsorted(table.first.rows, rows)]
    return crossed(scores[0], scores[1], groups=groups)


def _files(arm: Arm) -> list[Path]:
    return [run.files.record for run in arm.runs]
