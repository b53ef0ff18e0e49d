"""Rules across a figure of results: a uniform guess and a published value, or a sentence where they are far away."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from ..results.landmarks import Landmark
from . import style
from .canvas import Canvas

_NEAR = 0.5  # of the range of the results, within which the frame is extended to a rule
_ROOM = 0.04  # of the frame, beyond a rule
_LINES = {"chance": ":", "published": (0, (7, 2, 1, 2))}


class Rules:
    """The landmarks of a figure, as values of its vertical axis. `drawn` converts them."""

    def __init__(self, found: Sequence[Landmark], drawn: Callable[[float], float], *, logarithmic: bool = False):
        self._at = {each: drawn(each.value) for each in found}
        self._logarithmic = logarithmic

    def frame(self, low: float, high: float) -> tuple[float, float]:
        """Return the limits of the vertical axis, extended to the rules that are near the results."""
        near = [at for at in self._at.values() if self._is_near(at, low, high)]
        ends = [self._scaled(end) for end in (min([low, *near]), max([high, *near]))]
        room = _ROOM * (ends[1] - ends[0])
        below, above = ends[0] - room * (min([low, *near]) < low), ends[1] + room * (max([high, *near]) > high)
        return (math.exp(below), math.exp(above)) if self._logarithmic else (below, above)

    def draw(self, axes: Axes, canvas: Canvas, unit: str) -> None:
        """Draw the rules within the limits of the axes, with entries of the legend."""
        low, high = axes.get_ylim()
        for each, at in self._at.items():
            if low <= at <= high:
                axes.axhline(
                    at, color=style.GREY, linestyle=_LINES[each.kind], linewidth=1.5 * canvas.scale, zorder=1,
                    label=f"{each.name}: {at:.4g}{unit}",
                )  # fmt: skip

    def sentences(self, axes: Axes, unit: str, what: str) -> list[str]:
        """Return the caption's sentences: each value with its source, and whether it is outside the frame."""
        low, high = axes.get_ylim()
        found = []
        for each, at in self._at.items():
            where = "" if low <= at <= high else ", outside the frame"
            name = "A uniform guess" if each.kind == "chance" else "A published result"
            source = "" if each.kind == "chance" else f" ({each.source}; later work may be better)"
            found.append(f"{name} has {at:.4g}{unit} {what}{source}{where}.")
        return found

    def _is_near(self, at: float, low: float, high: float) -> bool:
        if self._logarithmic and at <= 0:
            return False
        scaled, ends = self._scaled(at), (self._scaled(low), self._scaled(high))
        return bool(ends[0] - _NEAR * (ends[1] - ends[0]) <= scaled <= ends[1] + _NEAR * (ends[1] - ends[0]))

    def _scaled(self, value: float) -> float:
        return math.log(value) if self._logarithmic else value
