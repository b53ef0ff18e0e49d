"""What would change an undecided verdict: more seeds, with their price, or more test examples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..statistics import planning
from ..statistics.crossed import Estimate
from ..system.duration import spoken
from .audit import Budget

WANTED = 0.8  # power


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """The seeds or examples that detect a true difference of the margin with a power of 80 %."""

    seeds: int | None  # of each arm; None: no number of seeds up to 50
    seeds_upper: int | None  # with the upper limit of the runs' variance
    examples: int | None  # the least number of test examples, if seeds cannot do it
    more: tuple[int, int] | None  # further runs of A and B
    seconds: float | None  # of the further runs
    dollars: float | None
    text: str


def remedy(
    estimate: Estimate,
    budgets: tuple[Budget, ...],
    *,
    delta: float | None,
    level: float,
    margin: str,
    of_folds: bool = False,
    of_examples: bool = True,
) -> Remedy | None:
    """Return what would decide an undecided comparison; None without a margin.

    `margin` is the margin for a reader. `of_folds` says that the arms are cross-validations, whose repeats share their
    training rows. `of_examples` says that the answer is about new examples too, whose part seeds cannot narrow.
    """
    if delta is None:
        return _only("Give --delta, the difference that matters, to learn how many seeds or examples detect it.")
    if of_folds:
        return _folds(estimate, delta=delta, level=level, margin=margin)
    v_a, v_b = (sd**2 for sd in estimate.sds)
    if not np.isfinite([v_a, v_b]).all():
        return _only("Train at least 3 seeds of each: one seed shows nothing about other seeds.")
    w = estimate.examples_part if of_examples else 0.0
    if not np.isfinite(w):
        unit = "group of test examples" if estimate.examples > 1 else "test example"
        return _only(f"Test on more: one {unit} shows nothing about others. `--target test-set` asks about it alone.")
    if estimate.se is None:
        return _only("Train more seeds: the runs of each model have equal results, so their spread is unknown.")
    needed = planning.needed_seeds(v_a, v_b, w, delta, examples=estimate.examples, runs=estimate.seeds, level=level)
    if needed.examples is not None:
        text = (
            f"No number of seeds can detect {margin} on these {estimate.examples:,} test examples: at least "
            f"{needed.examples:,} are needed."
        )
        return Remedy(
            seeds=None, seeds_upper=None, examples=needed.examples, more=None, seconds=None, dollars=None, text=text
        )
    return _seeds(estimate, budgets, needed, margin)


def unlearned() -> Remedy:
    """Return what would decide a comparison with a model of which no run learned."""
    return _only("Find out first why no run of one model learned, for instance with another learning rate.")


def _folds(estimate: Estimate, *, delta: float, level: float, margin: str) -> Remedy:
    """Return what would decide a cross-validation: examples, since further repeats narrow its interval very little."""
    if estimate.se is None:
        return _only("Train further partitions with --repeats 3: one partition shows nothing about others.")
    needed = planning.needed_seeds(0, 0, estimate.se**2, delta, examples=estimate.examples, level=level)
    if needed.examples is None:
        return _only(f"These examples detect {margin} with 80 % power, so the true difference is probably smaller.")
    return replace(
        _only(
            f"About {needed.examples:,} examples are needed to detect {margin} with 80 % power, and there are "
            f"{estimate.examples:,}. Further repeats narrow the interval very little."
        ),
        examples=needed.examples,
    )


def _seeds(estimate: Estimate, budgets: tuple[Budget, ...], needed: planning.Needed, margin: str) -> Remedy:
    if needed.seeds is None:
        text = f"More than {needed.most_seeds} seeds of each are needed to detect {margin} with 80 % power."
        return Remedy(seeds=None, seeds_upper=None, examples=None, more=None, seconds=None, dollars=None, text=text)
    more = (max(0, needed.seeds - estimate.seeds[0]), max(0, needed.seeds - estimate.seeds[1]))
    took, cost = (price(name, budgets, more) for name in ("seconds", "dollars"))
    upper = f"{needed.seeds_upper}" if needed.seeds_upper else f"more than {needed.most_seeds}"
    within = "" if needed.seeds_upper == needed.seeds else f" ({upper} if the runs vary more than these do)"
    text = f"{needed.seeds} seeds of each{within} detect {margin} with 80 % power"
    if not sum(more):
        text += (
            f". There are {min(estimate.seeds)} already, so the true difference is probably smaller than that, or "
            "close to it"
        )
    else:
        further = f"{more[0]} more runs of each" if more[0] == more[1] else f"{more[0]} and {more[1]} more runs"
        parts = [further] + ([spoken(took)] if took is not None else [])
        parts += [f"{cost:,.2f} USD"] if cost is not None else []
        text += f": {', '.join(parts)}"
    return Remedy(
        seeds=needed.seeds, seeds_upper=needed.seeds_upper, examples=None, more=more, seconds=took, dollars=cost,
        text=f"{text}.",
    )  # fmt: skip


def price(name: str, budgets: tuple[Budget, ...], more: tuple[int, int]) -> float | None:
    """Return the seconds or dollars of further runs of A and B, or None if unknown."""
    budget = next((each for each in budgets if each.name == name), None)
    return None if budget is None or budget.a is None or budget.b is None else budget.a * more[0] + budget.b * more[1]


def _only(text: str) -> Remedy:
    return Remedy(seeds=None, seeds_upper=None, examples=None, more=None, seconds=None, dollars=None, text=text)
