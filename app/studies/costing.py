"""What a study costs: steps and FLOPs of each cell, what speaks against it, and the hours that are left."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import data
from ..config.settings import Data, Files, options_of
from ..plan import checklist, costs
from ..plan.extent import Extent, extent_of
from ..system.findings import FAIL, WARN, Finding
from .cells import Cell
from .progress import Progress

if TYPE_CHECKING:
    from ..experiment.observers import Screen

_FIELDS = tuple(field.name for field in dataclasses.fields(Data))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one cell, None where the rows of its dataset are unknown before it is read."""

    steps: int | None
    flops: int | None
    findings: tuple[Finding, ...]  # those that do not pass


def costs_of(cells: Sequence[Cell], screen: Screen) -> dict[str, Cost]:
    """Return the cost of each cell by its run ID; each dataset is looked at once."""
    extents: dict[Any, Extent] = {}
    found = {}
    for cell in cells:
        config = cell.config
        key = (config.image, *(getattr(config, name) for name in _FIELDS), *_places(cell).values())
        if key not in extents:
            request = {"dataset": config.dataset} | cell.given
            ask = data.ask_of(config.to_json(), **data.where(request))
            extents[key] = extent_of(data.understood(config, ask, screen.say), ask)
        extent = extents[key]
        steps = costs.steps_of(config, extent)
        lines = tuple(line for line in checklist.of_data(config, extent, steps) if line.verdict in (WARN, FAIL))
        found[cell.run_id] = Cost(steps=steps, flops=costs.training_flops(config, extent), findings=lines)
    return found


def _places(cell: Cell) -> dict[str, Any]:
    """Return where the files of a cell's dataset are."""
    return {name: cell.given.get(name) for name in options_of(Files)}


def hours_left(progress: Sequence[Progress], costs: dict[str, Cost]) -> float | None:
    """Return the hours that the unfinished cells take at the mean rate of the finished ones; None without any.

    The rate is in FLOPs per second of training, over the machines that the finished cells ran on.
    """
    finished = [(costs[each.cell.run_id].flops, each.run.entry.seconds) for each in progress if each.done and each.run]
    flops = sum(flops for flops, seconds in finished if flops and seconds)
    seconds = sum(seconds for flops, seconds in finished if flops and seconds)
    left = [costs[each.cell.run_id].flops for each in progress if not each.done]
    if not flops or not seconds or None in left:
        return None
    return sum(flops for flops in left if flops) * seconds / flops / 3600


def warnings(costs: dict[str, Cost]) -> dict[str, int]:
    """Return what speaks against cells, and of how many it does."""
    found: dict[str, int] = {}
    for cost in costs.values():
        for line in {line.line() for line in cost.findings}:
            found[line] = found.get(line, 0) + 1
    return found
