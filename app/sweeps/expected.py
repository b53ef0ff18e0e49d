"""The expected best value of n trials: what a search of that size would reach (arXiv:1909.03004, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from .lines import FAILED
from .metric import Metric
from .parameters import Parameter
from .ranking import Trial

_EDGE = 0.05  # of the quantiles, at each end


def best_of(costs: Sequence[float], n: int) -> float:
    """Return the expected least cost of n draws, with replacement, from N costs.

    With sorted costs c_1 <= ... <= c_N: sum_i c_i [((N - i + 1) / N)^n - ((N - i) / N)^n]. It is exact for n = 1, the
    mean. Its bias grows as n nears N, at which the least cost of N trials is the only estimate of the paper's curve.
    """
    total = len(costs)
    return sum(
        cost * (((total - at) / total) ** n - ((total - at - 1) / total) ** n) for at, cost in enumerate(sorted(costs))
    )


def curve(trials: Sequence[Trial], metric: Metric, ns: Sequence[int]) -> dict[int, float]:
    """Return the expected best value of n trials by n; a failed trial counts as the worst one."""
    known = metric.costs([trial.value for trial in trials if trial.value is not None and trial.state != FAILED])
    if not known:
        return {}
    costs = [*known, *[max(known)] * (len(trials) - len(known))]
    return {n: metric.costs([best_of(costs, n)])[0] for n in ns if n <= len(costs)}


def edges(parameters: Sequence[Parameter], best: Trial) -> list[str]:
    """Return the parameters whose best value is at an end of what was searched, such as `lr at its upper end`."""
    found = []
    for each in parameters:
        if each.is_constant:
            continue
        value = best.drawn.values[each.name]
        low, high = _ends(each, listed=not best.drawn.u)  # a grid has no quantiles
        at = best.drawn.u.get(each.name, 0.5) if "min" in each.its else 0.5
        if low is not None and (value == low or at < _EDGE):
            found.append(f"{each.name} at its lower end")
        elif high is not None and (value == high or at > 1 - _EDGE):
            found.append(f"{each.name} at its upper end")
    return found


def _ends(parameter: Parameter, *, listed: bool) -> tuple[float | None, float | None]:
    """Return the least and the largest value that a search tries, a grid if `listed`.

    Both are None for values without an order, and for two of them, of which each is an end.
    """
    if parameter.ends and not listed:
        return parameter.ends
    values = parameter.grid if listed else parameter.its.get("values", [])
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return (min(numbers), max(numbers)) if len(numbers) == len(values) > 2 else (None, None)
