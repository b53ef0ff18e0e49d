"""The values that a figure of results is read against: a uniform guess, and a high published result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..tables.datasets import DATASETS
from .arms import Arm
from .metrics import Metric

_GUESSED = {"top1": 1, "top3": 3, "top5": 5, "balanced-accuracy": 1}  # of the classes, by a uniform guess


@dataclass(frozen=True, kw_only=True)
class Landmark:
    """A value of a metric as a fraction, with its name for a legend and where it is from for a caption."""

    kind: str  # chance | published
    value: float
    name: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return the value for a machine."""
        return asdict(self)


def landmarks(arms: Sequence[Arm], metric: Metric) -> tuple[Landmark, ...]:
    """Return the values for a metric of the arms: none of a regression, no published one of a cut dataset."""
    return tuple(_found(arms, metric))


def _found(arms: Sequence[Arm], metric: Metric) -> Iterator[Landmark]:
    config = arms[0].config
    if metric.name in _GUESSED:
        share = _GUESSED[metric.name] / config.classes
        yield Landmark(
            kind="chance", value=min(1.0, share), name="uniform guess", source=f"one of {config.classes:,} classes"
        )
    row = DATASETS.get(config.dataset)
    cut = any(run.config.limited for arm in arms for run in arm.runs)
    if metric.name == "top1" and row and (known := row.published) and not cut:
        yield Landmark(
            kind="published", value=known.top1, name=f"published, {known.model}",
            source=f"{known.model}, {known.remark}, {known.source}",
        )  # fmt: skip
