"""Scaling fits of several architectures: error against parameters over all runs, and the comparison of exponents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import InputError
from ..statistics.crossed import Target
from ..statistics.floors import Floor, curve_through, floor
from ..statistics.ladders import Ladder, ladder
from ..statistics.slopes import (
    Line,
    SlopeDifference,
    equal_exponents,
    leave_one_size_out,
    line,
    line_through,
    slope_difference,
)
from ..statistics.student import Quantity
from . import joining
from .abscissa import PARAMETERS, Abscissa
from .arms import Arm
from .by_size import joined
from .landmarks import Landmark, landmarks
from .metrics import METRICS

_CLASSES, _TOP1 = "classification", "top-1 error"
_STEPS = 25  # of a curve in the numbers
BEYOND = 1.5  # the range of sizes times this is drawn and listed, on both sides


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The fit of one architecture: a line over all runs, and with a floor if there are sizes enough.

    `left_out` has by size the log error of the runs minus that predicted by the fit to the other sizes.
    """

    architecture: str
    run_ids: tuple[str, ...]
    parameters: tuple[int, ...]  # of each run
    along: Abscissa
    line: Line
    left_out: dict[float, float]
    floor: Floor | None = None
    floor_left_out: dict[float, float] | None = None
    no_floor: str = ""  # why there is none

    @property
    def runs(self) -> Ladder:
        """The sizes and errors of the runs."""
        return self.line.runs

    @property
    def prefers_floor(self) -> bool:
        """Whether sizes that are left out are predicted better with a floor than without one."""
        return self.floor is not None and self.floor.predicts_better

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        name = self.along.name
        with_floor = self.floor and {
            "a": self.floor.a, "n0": self.floor.n0, "exponent": _quantity(self.floor.b),
            "floor": _quantity(self.floor.c), "left_out": _left_out(self.floor_left_out or {}, name),
            "curve": self._curve(self.floor),
        }  # fmt: skip
        each = zip(self.run_ids, self.parameters, self.runs.sizes, self.runs.log_errors, strict=True)
        return {
            "architecture": self.architecture,
            "runs": [{"run_id": run_id, "parameters": count, "x": float(size), "error": math.exp(log)}
                     for run_id, count, size, log in each],
            "line": {"n0": self.line.n0, "exponent": _quantity(self.line.b), "log_error_at_n0":
                     _quantity(self.line.log_a), "local": self.floor is None,
                     "left_out": _left_out(self.left_out, name), "curve": self._curve(self.line)},
            "with_floor": with_floor, "no_floor": self.no_floor or None, "preferred":
            "with_floor" if self.prefers_floor else "line",
        }  # fmt: skip

    def _curve(self, fit: Line | Floor) -> list[dict[str, float | None]]:
        """Return the points of a fit with its 95 % band, over the range that is drawn."""
        low, high = self.runs.steps[0], self.runs.steps[-1]
        found = []
        for x in np.geomspace(low / BEYOND, high * BEYOND, _STEPS):
            at = fit.log_error(float(x))
            ends = at.interval() or (None, None)
            band = [None if end is None else math.exp(end) for end in ends]
            found.append({"x": float(x), "error": math.exp(at.value), "low": band[0], "high": band[1]})
        return found


@dataclass(frozen=True, kw_only=True)
class Fits:
    """The fits of a dataset's architectures, and the exponents of the others minus that of the first one.

    `target` is what intervals cover: `examples` like these, or only this `test-set`, for the reason in `because`.
    """

    dataset: str
    error: str  # its name
    target: Target
    because: str
    families: tuple[Fit, ...]
    refused: dict[str, str]  # why an architecture has no fit
    equal: float | None  # p value of the F test of equal exponents, for this test set
    differences: dict[str, SlopeDifference]
    landmarks: tuple[Landmark, ...]
    along: Abscissa
    notes: tuple[str, ...]

    @property
    def rate(self) -> bool:
        """Whether the error is one minus an accuracy."""
        return self.error == _TOP1

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        differences = [
            {"architecture": name, "minus": self.families[0].architecture, "test_set": _quantity(each.test_set),
             "examples": each.examples and _quantity(each.examples), "crossing": each.crossing}
            for name, each in self.differences.items()
        ]  # fmt: skip
        return {
            "dataset": self.dataset, "error": self.error, "x": self.along.name, "target": self.target, "families":
            [each.to_json() for each in self.families], "refused": self.refused, "equal_exponents_p": self.equal,
            "differences": differences, "landmarks": [each.to_json() for each in self.landmarks],
            "notes": [*self.notes],
        }  # fmt: skip


def fits(arms: Sequence[Arm], along: Abscissa = PARAMETERS) -> Fits:
    """Return the fits of tested runs, one arm per architecture and size, those of the first architecture first.

    The error is one minus the accuracy, or the mean squared error of a regression. `along` is the size that it is
    fitted against. All runs of an arm have one size, the mean of theirs. Raises InputError for folds, for runs without
    that size, and if no architecture can be fitted, with the reason of each.
    """
    config = arms[0].config
    classes = config.task == _CLASSES
    places = [along.of(arm) for arm in arms]
    basis, because, table = joined(arms, METRICS["top1" if classes else "mae"])
    if basis == "folds":
        raise InputError(f"a scaling fit needs runs with one test set, but {because}. Name other runs with --run")
    target: Target = "examples" if table else "test-set"
    found, refused = dict[str, Fit](), dict[str, str]()
    for name, own in groupby(enumerate(arms), key=lambda each: each[1].title):
        members = [*own]
        sizes = [places[at] for at, arm in members for _ in arm.runs]
        try:
            found[name] = _fit(name, members, sizes, table, target, along)
        except ValueError as error:
            refused[name] = str(error)
    if not found:
        raise InputError(_refusal(refused))
    families = [*found.values()]
    return Fits(
        dataset=config.dataset, error=_TOP1 if classes else "mean squared error", target=target,
        because=because, families=tuple(families), refused=refused,
        equal=equal_exponents([each.runs for each in families]) if len(families) > 1 else None,
        differences={each.architecture: slope_difference(each.runs, families[0].runs) for each in families[1:]},
        landmarks=landmarks(arms, METRICS["top1"]) if classes else (), along=along, notes=tuple(_notes(arms, along)),
    )  # fmt: skip


def _fit(
    name: str, members: Sequence[tuple[int, Arm]], sizes: Sequence[float], table: joining.Table | None, target: Target,
    along: Abscissa,
) -> Fit:  # fmt: skip
    """Return the fit of an architecture's arms and their places. Raises ValueError if there are too few sizes."""
    errors = np.concatenate([_errors(arm, at, table) for at, arm in members])
    runs = ladder(np.array(sizes), errors, groups=None if table is None else table.units)
    found = [run.record for _, arm in members for run in arm.runs]
    plain = Fit(
        architecture=name, run_ids=tuple(each.run_id for each in found),
        parameters=tuple(each.parameters.total for each in found), along=along, line=line(runs, target=target),
        left_out=leave_one_size_out(runs, line_through),
    )  # fmt: skip
    try:
        bent = floor(runs, target=target)
    except ValueError as error:
        return replace(plain, no_floor=str(error))
    return replace(plain, floor=bent, floor_left_out=leave_one_size_out(runs, curve_through))


def _errors(arm: Arm, at: int, table: joining.Table | None) -> np.ndarray:
    """Return the errors of an arm's runs: per example (runs, n), or per run (runs,) without predictions."""
    classes = arm.config.task == _CLASSES
    if table is None:
        tests = [run.record.test for run in arm.runs]
        return np.array([1 - test.top1 if classes else test.rmse**2 for test in tests])
    scores = table.scores(at)
    return 1 - scores if classes else scores**2  # the absolute errors, negated


def _refusal(refused: dict[str, str]) -> str:
    reasons = [*dict.fromkeys(refused.values())]
    if len(reasons) == 1:
        return f"{reasons[0]}. Train more sizes, or omit --fit"
    return f"{'; '.join(f'{name}: {reason}' for name, reason in refused.items())}. Train more sizes, or omit --fit"


def _notes(arms: Sequence[Arm], along: Abscissa) -> list[str]:
    """Return what limits a reading of the exponents."""
    configs = [arm.config for arm in arms]
    notes = ["Parameters include embeddings and the head." if along.name == "parameters" else along.sentence]
    shapes = {(config.model, config.d_model, config.mlp_ratio) for config in configs}
    if all(config.d_model for config in configs) and len(shapes) == len({config.model for config in configs}):
        notes.append("Only the depth grows with the size.")
    shares = {
        round(run.record.schedule.warmup_steps / max(1, run.record.schedule.total_steps), 3)
        for arm in arms for run in arm.runs
    }  # fmt: skip
    if len(shares) > 1:
        notes.append("The share of the warm-up differs between runs.")
    rates = {config.lr for config in configs}
    notes.append(
        "All sizes have one learning rate, which need not be the best one of each." if len(rates) == 1
        else "Learning rates differ between sizes."
    )  # fmt: skip
    return notes


def _quantity(found: Quantity) -> dict[str, Any]:
    interval = found.interval()
    return {"value": found.value, "se": found.se, "df": found.df, "interval": interval and [*interval]}


def _left_out(errors: dict[float, float], name: str) -> dict[str, Any]:
    squares = [error**2 for error in errors.values()]
    by_size = [{name: size, "log_error_difference": error} for size, error in errors.items()]
    return {"sizes": by_size, "rms": math.sqrt(sum(squares) / len(squares))}
