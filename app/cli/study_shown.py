"""What `study` prints: what the runs cost, how far each is, and what all of them took."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from . import study_folds
from .screen import note, result, result_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..studies.costing import Cost
    from ..studies.progress import Progress
    from .screen import Screen


def tell_costs(found: Sequence[Progress], screen: Screen) -> None:
    """Say what the cells cost and what speaks against them."""
    screen.stage("looking up the datasets")
    from ..studies import costing

    costs = costing.costs_of([each.cell for each in found], screen)
    for line in _costs(found, costs):
        screen.say(line)
    for line, count in costing.warnings(costs).items():
        screen.say(f"{line} ({runs(count)})")


def _costs(found: Sequence[Progress], costs: dict[str, Cost]) -> list[str]:
    """Return what a study costs, for a reader."""
    from ..studies import costing

    lines = []
    flops = [costs[each.cell.run_id].flops for each in found]
    if None not in flops:
        left = sum(costs[each.cell.run_id].flops or 0 for each in found if not each.done)
        lines.append(f"cost: {sum(each or 0 for each in flops):.3g} FLOPs, of which {left:.3g} are left")
    hours = costing.hours_left(found, costs)
    if hours:
        lines.append(f"time left: {hours:,.1f} h at the rate of the finished runs")
    return lines


def runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def show(found: Sequence[Progress], *, as_json: bool) -> None:
    """Print a study's runs, one per line."""
    from ..system.columns import columns

    if as_json:
        return result_json(study_folds.to_json(found), indent=1)
    note(_summary(found))
    of_folds = study_folds.heads(found)
    heads = ("run", "model", "size", "dataset", "seed", *of_folds, "epochs", "lr", "state", "result")
    lines = [_line(each, study_folds.cells(each, of_folds)) for each in found]
    table = columns(heads, lines, folds=("model", "dataset", "state"))
    return result("\n".join([table, *study_folds.lines(found)]))


def _summary(found: Sequence[Progress]) -> str:
    """Return how many runs are in which state."""
    states = Counter(each.state for each in found)
    return f"study of {runs(len(found))}: {', '.join(f'{count:,} {state}' for state, count in states.items())}"


def _line(each: Progress, folds: Sequence[str]) -> tuple[object, ...]:
    config = each.cell.config
    size = "-" if config.size == config.model else config.size
    tested = each.run.result if each.run else ""
    return (config.run_id, config.model, size, config.dataset, config.seed, *folds, config.epochs,
            f"{config.lr:g}", each.shown, tested)  # fmt: skip


def tell_totals(found: Sequence[Progress]) -> None:
    """Print what the runs of a study took so far, all together."""
    from ..studies.results import spent

    if line := spent(found):
        note(line)
