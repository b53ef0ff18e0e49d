"""The points of a run's curves, made from the rows of its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_COUNTS = {"correct": "accuracy", "correct_at_3": "accuracy_at_3", "correct_at_5": "accuracy_at_5"}
_VALUES = ("loss", "mae")
_FULL = ("val_full", "val_ema")  # splits of full validation passes


class Point(NamedTuple):
    """All values of one step."""

    step: int
    values: dict[str, float]
    ends_epoch: bool  # a full validation pass follows the step


def points(rows: Iterable[Mapping[str, Any]], *, complete: bool) -> Iterator[Point]:
    """Yield a point for each step, from rows in the log's order. The last step is yielded only if it is `complete`.

    Names are those that dashboards group: `train/loss`, `train/accuracy`, `val/loss`, `lr`, `epoch`. A full validation
    pass has `val_full/...`. Accuracies are fractions: the row's count of correct examples / its examples.
    """
    step, values, ends = 0, dict[str, float](), False
    for row in rows:
        if row["step"] != step:
            if step:
                yield Point(step, values, ends)
            step, values, ends = row["step"], {}, False
        values |= _values(row)
        ends |= row["split"] in _FULL
    if step and complete:
        yield Point(step, values, ends)


def _values(row: Mapping[str, Any]) -> dict[str, float]:
    split = row["split"]
    found = {f"{split}/{name}": row[name] for name in _VALUES if name in row}
    found |= {f"{split}/{shown}": row[name] / row["examples"] for name, shown in _COUNTS.items() if name in row}
    if split == "train":
        found |= {"lr": row["lr"], "epoch": row["epoch"]}
    return found
