"""The metric of a sweep, over the full validation split at each epoch's end, and never over the test split.

W&B's names of accuracy and loss are mapped. An accuracy is in percent, as in the CIFAR zoo's `val_acc`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import InputError
from ..tables.names import suggestion

_COLUMNS = {
    "accuracy": ("val_acc", "val_accuracy", "val_top1", "val_acc1", "validation_accuracy", "val/acc", "val/accuracy"),
    "loss": ("val_loss", "validation_loss", "valid_loss", "eval_loss", "val/loss", "val_mse"),
    "mae": ("val_mae", "val/mae"),
    "rmse": ("val_rmse", "val/rmse"),
}
_OF = {name: column for column, names in _COLUMNS.items() for name in names}
GOALS = ("minimize", "maximize")
IMPUTED = ("worst", "best", "latest")


class Metric(msgspec.Struct, kw_only=True, frozen=True):
    """What a sweep searches for: the column of the full validation passes, and in which direction."""

    name: str  # as the file has it
    column: str
    goal: str
    target: float | None = None
    impute: str = "worst"

    @property
    def maximize(self) -> bool:
        """Whether larger values are better."""
        return self.goal == "maximize"

    def value(self, row: Mapping[str, Any]) -> float:
        """Return the metric of one full validation pass, from its row in a training log."""
        if self.column == "accuracy":
            return 100 * float(row["correct"]) / float(row["examples"])
        if self.column == "rmse":
            return math.sqrt(row["loss"])
        return float(row[self.column])

    def costs(self, curve: Sequence[float]) -> list[float]:
        """Return the values so that smaller ones are better."""
        return [-value for value in curve] if self.maximize else list(curve)

    def best(self, curve: Sequence[float]) -> float | None:
        """Return the best value of a run's epochs, as W&B's bayes takes it, or None if there is none."""
        return (max if self.maximize else min)(curve, default=None)

    def reaches(self, curve: Sequence[float]) -> bool:
        """Return whether a run reached the target."""
        best = self.best(curve)
        if self.target is None or best is None:
            return False
        return best >= self.target if self.maximize else best <= self.target

    def require_task(self, task: str) -> None:
        """Raise InputError if runs of a task do not have this metric."""
        wanted = {"accuracy": "classification", "mae": "regression", "rmse": "regression"}.get(self.column, task)
        if wanted != task:
            instead = "val_acc or val_loss" if task == "classification" else "val_loss, val_mae or val_rmse"
            raise InputError(f"metric {self.name} is not available for {task}. Use {instead}")


DEFAULT = Metric(name="val_loss", column="loss", goal="minimize")


def of_mapping(given: Any) -> Metric:
    """Return the metric of a file's `metric`. Raises InputError."""
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise InputError("metric has no name. Write `metric: {name: val_acc, goal: maximize}`")
    keys = ("name", "goal", "target", "impute", "impute_while_running")
    for key in given:
        if key not in keys:
            raise InputError(f"metric has no key {key!r}. {suggestion(str(key), list(keys))}")
    name, goal, impute = given["name"], given.get("goal", "minimize"), given.get("impute", "worst")
    column = _column(name)
    if goal not in GOALS or impute not in IMPUTED:
        wrong, allowed = (f"goal {goal!r}", GOALS) if goal not in GOALS else (f"impute {impute!r}", IMPUTED)
        raise InputError(f"metric {name} has the unknown {wrong}. Valid values: {', '.join(allowed)}")
    if (goal == "maximize") != (column == "accuracy"):
        right = "maximize" if column == "accuracy" else "minimize"
        default = "" if "goal" in given else " by W&B's default"
        raise InputError(f"metric {name} has the goal {goal}{default}, which is the worst end. Write goal: {right}")
    return Metric(name=name, column=column, goal=goal, target=_target(name, column, given), impute=impute)


def _column(name: str) -> str:
    """Return the column of a metric's name. Raises InputError."""
    if re.search(r"(?<![a-z])test", name.lower()):  # not in `latest`
        raise InputError(
            f"metric {name} is of the test split, and a sweep chooses by the validation split only. Use val_acc or "
            "val_loss"
        )
    if name not in _OF:
        raise InputError(f"metric {name} is unknown. {suggestion(name, [names[0] for names in _COLUMNS.values()])}")
    return _OF[name]


def _target(name: str, column: str, given: Mapping[str, Any]) -> float | None:
    target = given.get("target")
    if target is None:
        return None
    if isinstance(target, bool) or not isinstance(target, int | float) or not math.isfinite(target):
        raise InputError(f"metric {name}: target is {target!r}. Write a number")
    if column == "accuracy" and not 1 < target <= 100:
        raise InputError(f"metric {name}: target {target} is not a percentage. Write {100 * target:g} for {target:g}"
                         if 0 < target <= 1 else
                         f"metric {name}: target {target} is not a percentage. Use a number up to 100")  # fmt: skip
    return float(target)
