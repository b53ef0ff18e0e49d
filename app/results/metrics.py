"""The metrics that two architectures are compared by: their units, directions and default margins."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .. import task
from ..errors import InputError
from ..tables.names import suggestion


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a test. Rates are fractions, and are shown in percent, their differences in points."""

    name: str
    title: str
    task: str  # classification | regression
    higher: bool = True  # whether a higher value is better
    scale: float = 1  # of what is shown
    unit: str = ""  # of a difference that is shown
    delta: float | None = None  # the default margin, unscaled; None: there is none
    relative: bool = False  # whether the margin is a fraction of the arms' mean result
    classes: int = 0  # fewest classes for which the metric is of use
    blocks: bool = False  # whether its pseudo-values are those of blocks of examples
    least: float = 0.0  # possible result, unscaled
    most: float = math.inf
    corrupted: bool = False  # whether it is computed from the predictions that `robust` keeps

    def cut(self, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        """Return the part of an interval that contains possible results: no accuracy is above 1."""
        return None if interval is None else (max(interval[0], self.least), min(interval[1], self.most))

    @property
    def sign(self) -> int:
        """The factor of a result that makes higher values better."""
        return 1 if self.higher else -1

    @property
    def rate(self) -> bool:
        """Whether it is shown in percent."""
        return self.scale != 1


def _rate(name: str, title: str, *, delta: float | None = 0.01, classes: int = 0, blocks: bool = False) -> Metric:
    return Metric(
        name=name, title=title, task=_CLASSES, scale=100, unit="points", delta=delta, classes=classes, blocks=blocks,
        most=1,
    )  # fmt: skip


_CLASSES, _VALUES = task.classes.name, task.values.name
METRICS = {
    metric.name: metric
    for metric in (
        _rate("top1", "top-1 accuracy"),
        _rate("top3", "top-3 accuracy", classes=4),
        _rate("top5", "top-5 accuracy", classes=6),
        Metric(name="nll", title="negative log-likelihood", task=_CLASSES, higher=False, unit="nats", delta=0.02),
        Metric(name="brier", title="Brier score", task=_CLASSES, higher=False, delta=0.005, most=2),
        _rate("balanced-accuracy", "balanced accuracy", blocks=True),
        _rate("macro-f1", "macro F1", delta=None, blocks=True),
        Metric(name="ece", title="expected calibration error", task=_CLASSES, higher=False, scale=100, unit="points",
               blocks=True, most=1),
        Metric(name="ece-debiased", title="debiased calibration error", task=_CLASSES, higher=False, scale=100,
               unit="points", blocks=True, least=-1, most=1),
        Metric(name="noise", title="accuracy change under noise", task=_CLASSES, scale=100, unit="points", delta=0.01,
               least=-1, most=1, corrupted=True),
        Metric(name="corrupted", title="accuracy under corruption", task=_CLASSES, scale=100, unit="points",
               delta=0.01, most=1, corrupted=True),
        Metric(name="slope", title="accuracy change per severity", task=_CLASSES, scale=100, unit="points",
               least=-1, most=1, corrupted=True),
        Metric(name="rmse", title="RMSE", task=_VALUES, higher=False, delta=0.05, relative=True),
        Metric(name="log-mse", title="log MSE", task=_VALUES, higher=False, delta=0.10, least=-math.inf),
        Metric(name="mae", title="MAE", task=_VALUES, higher=False),
        Metric(name="r2", title="R2", task=_VALUES, blocks=True, least=-math.inf, most=1),
    )
}  # fmt: skip


def metric_of(name: str | None, *, task_name: str, classes: int) -> Metric:
    """Return a metric by name, or the first one of a task. Raise InputError for one that the task does not have."""
    valid = [metric for metric in METRICS.values() if metric.task == task_name]
    if name is None:
        return valid[0]
    if name not in METRICS:
        raise InputError(f"unknown --metric {name!r}. {suggestion(name, [each.name for each in valid])}")
    found = METRICS[name]
    if found.task != task_name:
        allowed = ", ".join(each.name for each in valid)
        raise InputError(
            f"--metric {name} is for a {found.task}, and these runs are a {task_name}. Use one of {allowed}"
        )
    if classes < found.classes:
        raise InputError(
            f"--metric {name} counts nearly every example as correct with {classes} classes. Use --metric top1"
        )
    return found
