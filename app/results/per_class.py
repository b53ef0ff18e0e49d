"""The difference of accuracy between two architectures in each class: exploratory, without a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..statistics.crossed import crossed
from ..statistics.several import discoveries
from . import joining
from .arms import Arm
from .gap import Gap
from .metrics import METRICS


@dataclass(frozen=True, kw_only=True)
class ClassGap(Gap):
    """The difference of accuracy on the test examples of one class."""

    number: int

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        return {"class": self.number, **super().to_json()}


def class_gaps(a: Arm, b: Arm) -> list[ClassGap]:
    """Return the difference of each class that has test examples, highest first.

    Each is that of `statistics.crossed` on the examples of its class, over new seeds and new examples. It has no
    interval if an arm has one run, or if no run differs from another on the class. Raises InputError for a regression,
    for runs of folds and for different test sets.
    """
    table = shared_test(a, b)
    labels, names = table.first.labels, a.runs[0].record.data.class_names
    scores, found = [table.scores(at) for at in (0, 1)], []
    for number in np.unique(labels):
        own = labels == number
        groups = None if table.groups is None else table.groups[own]
        found.append(crossed(scores[0][:, own], scores[1][:, own], groups=groups))
    adjusted = discoveries([each.p for each in found])
    gaps = [
        ClassGap(
            number=int(number), name=str(names[number]), examples=each.examples, difference=each.difference,
            interval=each.interval(), adjusted=p,
        )
        for number, each, p in zip(np.unique(labels), found, adjusted, strict=True)
    ]  # fmt: skip
    return sorted(gaps, key=lambda gap: (-gap.difference, gap.number))


def shared_test(a: Arm, b: Arm) -> joining.Table:
    """Return the table of what the runs of two arms get right. Raises InputError unless they share one test set."""
    config = a.config
    if config.task != "classification":
        raise InputError(f"{config.dataset} is a regression, which has no classes. Use `plot scaling --metric rmse`")
    if a.of_folds or b.of_folds:
        raise InputError("the runs are folds, whose test sets differ. Name runs of one split with --run")
    table = joining.table([a, b], METRICS["top1"])
    if not table.same_rows:
        raise InputError("the runs have different test sets, and classes cannot be paired. Name others with --run")
    return table
