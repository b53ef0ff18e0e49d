"""The fits of a scaling figure: lines and curves with their 95 % bands, and what the legend says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..results.fits import BEYOND, Fit
from ..statistics.floors import Floor
from ..statistics.slopes import Line
from . import style
from .canvas import Canvas

_STEPS = 60  # of a curve
_WIDE, _NARROW = 2.2, 1.2  # points of the fit that predicts left-out sizes better, and of the other one
_OUTSIDE = 0.45  # opacity beyond the sizes
_BAND = 0.16  # opacity


def draw(axes: Axes, fit: Fit, place: int, units: tuple[float, float], canvas: Canvas) -> None:
    """Draw a fit's line, and its curve with a floor if there is one. `units` are the factors of both axes.

    Each architecture has its dashes. A fit is pale beyond the sizes. The band of a floor is hatched.
    """
    bent = fit.prefers_floor
    _draw(axes, fit, fit.line, place, units, wide=(_NARROW if bent else _WIDE) * canvas.scale)
    if fit.floor:
        _draw(axes, fit, fit.floor, place, units, wide=(_WIDE if bent else _NARROW) * canvas.scale)
    axes.plot([], [], label=label(fit), **style.look(place))


def _draw(
    axes: Axes, fit: Fit, found: Line | Floor, place: int, units: tuple[float, float], *, wide: float
) -> None:  # fmt: skip
    low, high = fit.runs.steps[0], fit.runs.steps[-1]
    sizes = np.unique([*np.geomspace(low / BEYOND, high * BEYOND, _STEPS), low, high])
    inside = (sizes >= low) & (sizes <= high)
    values = [found.log_error(float(size)) for size in sizes]
    curve = units[1] * np.exp([each.value for each in values])
    ends = [each.interval() or (each.value, each.value) for each in values]
    band = units[1] * np.exp(np.array(ends))  # (sizes, 2)
    x, look = sizes / units[0], style.look(place)
    shade: dict[str, Any] = {"facecolor": look["color"], "alpha": _BAND, "linewidth": 0}
    if isinstance(found, Floor):
        shade = {"facecolor": "none", "edgecolor": look["color"], "alpha": 2 * _BAND, "linewidth": 0, "hatch": "////"}
    axes.fill_between(x, band[:, 0], band[:, 1], **shade)
    line: dict[str, Any] = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": wide}
    axes.plot(x[inside], curve[inside], **line)
    for part in (sizes <= low, sizes >= high):
        axes.plot(x[part], curve[part], alpha=_OUTSIDE, **line)


def label(fit: Fit) -> str:
    """Return the legend's text: the exponent with its interval, and what it is."""
    low, high = (fit.along.shown(float(size)) for size in (fit.runs.steps[0], fit.runs.steps[-1]))
    if fit.floor is None:
        return f"{fit.architecture}: b = {shown(fit.line.b)}, local slope over {low} to {high}"
    better = "with it" if fit.prefers_floor else "without it"
    return (
        f"{fit.architecture}: b = {shown(fit.line.b)}, with a floor {shown(fit.floor.b)} (left-out sizes are predicted "
        f"better {better})"
    )


def shown(found: Any) -> str:
    """Return a quantity with its 95 % interval."""
    interval = found.interval()
    within = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    return f"{found.value:.3f}{within}"
