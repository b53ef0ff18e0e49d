"""Numbers of attention maps: means of one run, and differences of two architectures, exploratory and no verdict."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..artifacts.attention_rows import CANVAS, PATCHED, TEST, Numbers, Part
from ..statistics import student
from ..statistics.crossed import crossed
from ..statistics.grouping import grouped
from ..statistics.several import discoveries
from ..tables.attention_numbers import EVERY, ROUNDING, of_kind, widest
from .attention_units import NONE, Units

_FALSE = 0.05  # rate of false discoveries among the marked rows
_CHECKS = ("row_sum",)  # numbers whose value is known before any image: they have no p value
Interval = tuple[float, float]
Parts = Mapping[Part, Numbers]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A number of one layer in two architectures A and B, with the 95 % interval of A - B.

    `inputs` are test images, or those among distractors, of which `share` and `correct` are compared.
    With one run in an arm, the interval is for these runs over new images. `adjusted` is the p value adjusted by
    Benjamini and Hochberg over all rows that have one. Row sums and numbers that do not vary over images have neither.
    """

    name: str
    layer: int  # -1: the mean over layers
    means: tuple[float, float]
    difference: float
    interval: Interval | None
    adjusted: float | None
    inputs: str = TEST

    @property
    def marked(self) -> bool:
        """Whether it is among the discoveries at a false discovery rate of 5 %."""
        return self.adjusted is not None and self.adjusted < _FALSE

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for a machine."""
        return {
            "name": self.name, "inputs": self.inputs, "layer": None if self.layer == EVERY else self.layer,
            "means": [*self.means],
            "difference": self.difference, "interval": self.interval and [*self.interval], "adjusted_p": self.adjusted,
        }  # fmt: skip


def layers(parts: Parts, inputs: str = TEST) -> dict[int, Numbers]:
    """Return the numbers of each layer for some inputs, in order, without those of all layers together."""
    return {part.layer: parts[part] for part in sorted(parts) if part.inputs == inputs and part.layer != EVERY}


def together(parts: Parts, inputs: str = TEST) -> Numbers | None:
    """Return the numbers of all layers together for some inputs, such as checks, or None if there are none."""
    return next((numbers for part, numbers in parts.items() if part[1:] == (inputs, EVERY)), None)


def over_layers(parts: Parts, name: str, inputs: str = TEST) -> np.ndarray | None:
    """Return the mean over layers of a number for each image, float64 (n,), or None if the model does not have it."""
    found = [each.values[name] for each in layers(parts, inputs).values() if name in each.values]
    return np.mean(found, axis=0) if found else None


def varies(values: np.ndarray, scale: float) -> bool:
    """Return whether values (n,) vary over images by more than the rounding of numbers of this size."""
    return float(np.ptp(values)) > ROUNDING * scale


def estimate(
    a: np.ndarray, b: np.ndarray, *, scale: float | None = None, codes: np.ndarray | None = None
) -> tuple[float, Interval | None, float | None]:
    """Return A - B with its 95 % interval and p value: (k_A, n), (k_B, n).

    Several runs in each arm are seeds, as in `compare`. Otherwise the answer is about these runs, over new images. A
    difference that varies over images by less than 1e-5 of the numbers, which is rounding, has no interval and no p.
    `scale` is the size of the numbers, if `a` and `b` are differences of them. Images with equal `codes` (n,) are a
    group, such as a patient's, and count as one.
    """
    found = crossed(a, b, groups=codes)
    if not varies(a.mean(0) - b.mean(0), scale or max(float(np.abs(a).max()), float(np.abs(b).max()))):
        return found.difference, None, None
    if min(found.seeds) > 1:
        return found.difference, found.interval(), found.p
    each = a.mean(0) - b.mean(0)
    each = each if codes is None else grouped(each, codes)
    if len(each) < 2:  # one group
        return found.difference, None, None
    se = float(each.std(ddof=1)) / math.sqrt(len(each))
    return found.difference, student.interval(found.difference, se, len(each) - 1), student.two_sided(
        found.difference, se, len(each) - 1
    )  # fmt: skip


def differences(a: Sequence[Parts], b: Sequence[Parts], units: Units = NONE) -> list[Difference]:
    """Return the differences of two architectures, for the rows that all runs have: means over layers, then layers.

    Layers are compared if both have as many. Numbers that only one architecture has are omitted, and so is the q999 of
    a layer that is the maximum in all runs. Of images among distractors, those with the largest number of distractors
    that all runs have are compared.
    """
    runs, found = (*a, *b), list[Difference]()
    same_depth = len({len(layers(each)) for each in runs}) == 1
    names = [(TEST, name) for kind in ("map", "activation") for name in of_kind(kind)]
    names += [(inputs, name) for inputs in most_distractors(runs) for name in ("share", "correct")]
    p_values = []
    for inputs, name in names:
        rows = common(runs, [inputs])
        for layer in (EVERY, *(layers(a[0], inputs) if same_depth else ())):
            if not all(_has(each, name, layer, inputs) for each in runs):
                continue
            one, other = (_stacked(arm, name, layer, rows, inputs) for arm in (a, b))
            if name.endswith("_q999") and _repeats(runs, name, layer, rows):
                continue
            gap, interval, p = estimate(one, other, codes=units.codes(rows))
            if name in _CHECKS:
                interval = p = None
            means = float(one.mean()), float(other.mean())
            p_values.append(p)
            found.append(Difference(
                name=name, layer=layer, means=means, difference=gap, interval=within(interval, widest(name)),
                adjusted=None, inputs=inputs,
            ))  # fmt: skip
    return [replace(each, adjusted=p) for each, p in zip(found, discoveries(p_values), strict=True)]


def within(interval: Interval | None, most: float) -> Interval | None:
    """Return the part of a difference's interval that is possible, from -most to most."""
    return None if interval is None else (max(interval[0], -most), min(interval[1], most))


def counts(parts: Parts, kind: str) -> tuple[int, ...]:
    """Return the numbers of distractors that are measured for inputs `canvas` or `patched`, in ascending order."""
    return tuple(sorted({int(part.inputs.removeprefix(kind)) for part in parts if part.inputs.startswith(kind)}))


def most_distractors(runs: Sequence[Parts]) -> list[str]:
    """Return the canvases and the images with patches that have the most distractors that all runs have."""
    found = [(kind, set.intersection(*(set(counts(each, kind)) for each in runs))) for kind in (CANVAS, PATCHED)]
    return [f"{kind}{max(shared)}" for kind, shared in found if shared]


def common(runs: Sequence[Parts], inputs: Sequence[str]) -> np.ndarray:
    """Return the test rows that all of the runs have for all of these inputs, int64 (n,) in ascending order."""
    found = [next(iter(layers(each, name).values())).rows for each in runs for name in inputs]
    return functools.reduce(np.intersect1d, found)


def _stacked(arm: Sequence[Parts], name: str, layer: int, rows: np.ndarray, inputs: str) -> np.ndarray:
    return np.stack([_values(each, name, layer, rows, inputs) for each in arm])


def _repeats(runs: Sequence[Parts], name: str, layer: int, rows: np.ndarray) -> bool:
    """Return whether a quantile is the maximum in all of the runs, as that of fewer than 1,000 values is."""
    most = name.replace("_q999", "_max")
    one, other = (_stacked(runs, each, layer, rows, TEST) for each in (name, most))
    return np.array_equal(one, other)


def _has(parts: Parts, name: str, layer: int, inputs: str) -> bool:
    of_model = together(parts, inputs)
    if layer == EVERY and of_model is not None and name in of_model.values:
        return True
    its = layers(parts, inputs)
    return all(name in each.values for each in ((its[layer],) if layer != EVERY else its.values()))


def _values(parts: Parts, name: str, layer: int, rows: np.ndarray, inputs: str) -> np.ndarray:
    its, of_model = layers(parts, inputs), together(parts, inputs)
    if layer == EVERY and of_model is not None and name in of_model.values:
        values: np.ndarray | None = of_model.values[name]
    else:
        values = over_layers(parts, name, inputs) if layer == EVERY else its[layer].values[name]
    assert values is not None, "all runs have the number"
    return values[np.searchsorted(next(iter(its.values())).rows, rows)]
