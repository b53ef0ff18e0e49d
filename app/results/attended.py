"""Numbers of attention maps: means of one run, and differences of two architectures, exploratory and no verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..artifacts.attention_rows import PATCHED, TEST, Numbers, Part
from ..statistics import student
from ..statistics.crossed import crossed
from ..statistics.several import discoveries
from ..tables.attention_numbers import EVERY, of_kind

_FALSE = 0.05  # rate of false discoveries among the marked rows
Interval = tuple[float, float]
Parts = Mapping[Part, Numbers]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A number of one layer in two architectures A and B, with the 95 % interval of A - B.

    `inputs` are test images, or those with patches, of which `share` and `correct` are compared.
    With one run in an arm, the interval is for these runs over new images. `adjusted` is the p value adjusted by
    Benjamini and Hochberg over all rows that have one.
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


def estimate(a: np.ndarray, b: np.ndarray) -> tuple[float, Interval | None, float | None]:
    """Return A - B with its 95 % interval and p value: (k_A, n), (k_B, n).

    Several runs in each arm are seeds, as in `compare`. Otherwise the answer is about these runs, over new images.
    """
    found = crossed(a, b)
    if min(found.seeds) > 1:
        return found.difference, found.interval(), found.p
    each = a.mean(0) - b.mean(0)
    se = float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else 0.0
    if not se:
        return found.difference, None, None
    return found.difference, student.interval(found.difference, se, len(each) - 1), student.two_sided(
        found.difference, se, len(each) - 1
    )  # fmt: skip


def differences(a: Sequence[Parts], b: Sequence[Parts]) -> list[Difference]:
    """Return the differences of two architectures, for the rows that all runs have: means over layers, then layers.

    Layers are compared if both have as many. Numbers that only one architecture has are omitted. Of images with
    patches, those with the largest number of patches that all runs have are compared.
    """
    runs, found = (*a, *b), list[Difference]()
    same_depth = len({len(layers(each)) for each in runs}) == 1
    names = [(TEST, name) for kind in ("map", "activation") for name in of_kind(kind)]
    names += [(inputs, name) for inputs in _patched(runs) for name in ("share", "correct")]
    p_values = []
    for inputs, name in names:
        rows = _common(runs, inputs)
        for layer in (EVERY, *(layers(a[0], inputs) if same_depth else ())):
            if not all(_has(each, name, layer, inputs) for each in runs):
                continue
            one, other = (np.stack([_values(each, name, layer, rows, inputs) for each in arm]) for arm in (a, b))
            gap, interval, p = estimate(one, other)
            means = float(one.mean()), float(other.mean())
            p_values.append(p)
            found.append(Difference(
                name=name, layer=layer, means=means, difference=gap, interval=interval, adjusted=None, inputs=inputs
            ))  # fmt: skip
    return [replace(each, adjusted=p) for each, p in zip(found, discoveries(p_values), strict=True)]


def patched(parts: Parts) -> tuple[int, ...]:
    """Return the numbers of patches in an image that are measured, in ascending order."""
    return tuple(sorted({int(part.inputs.removeprefix(PATCHED)) for part in parts if part.inputs.startswith(PATCHED)}))


def _patched(runs: Sequence[Parts]) -> list[str]:
    """Return the inputs with the most patches that all runs have, or nothing."""
    common = set.intersection(*(set(patched(each)) for each in runs))
    return [f"{PATCHED}{max(common)}"] if common else []


def _common(runs: Sequence[Parts], inputs: str) -> np.ndarray:
    rows = next(iter(layers(runs[0], inputs).values())).rows
    for each in runs[1:]:
        rows = np.intersect1d(rows, next(iter(layers(each, inputs).values())).rows)
    return rows


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
