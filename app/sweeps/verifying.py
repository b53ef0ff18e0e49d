"""The proof that the draws of a sweep are what its file, its seed and its finished trials lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import lines
from .lines import Content, Drawn
from .sweep import Sweep

if TYPE_CHECKING:
    from ..experiment.observers import Screen


def first_difference(sweep: Sweep, content: Content, screen: Screen) -> str | None:
    """Return a sentence on the first trial whose draw differs from the recomputed one, or None if all are equal.

    Raises InputError for a sweep without trials.
    """
    if not content.drawn:
        raise InputError(f"the sweep has no trials in {sweep.path}. Run `sweep {sweep.file.name}.yaml` first")
    for number, line in content.drawn.items():
        if found := _difference(sweep, content.before(number), line, screen):
            return f"trial {number}: {found}"
    return None


def _difference(sweep: Sweep, before: Content, line: Drawn, screen: Screen) -> str:
    """Return how one draw differs; empty if it does not."""
    ended = sorted(before.ended)
    if lines.numbers(line.finished) != ended:
        listed = line.finished or "none"
        return f"its line lists the finished trials {listed}, and {lines.ranges(ended) or 'none'} ended before"
    again = sweep.drawn(line.trial, before, screen)
    differing: dict[str, tuple[Any, Any]] = {
        name: (line.values.get(name), again.values.get(name))
        for name in {**line.values, **again.values}
        if line.values.get(name) != again.values.get(name)
    }
    if differing:
        name, (there, here) = next(iter(differing.items()))
        return f"its line has {name}={there!r}, and the draw is {here!r}{_versions(sweep, before)}"
    if line.run_id != again.run_id:
        return f"its line has run {line.run_id or 'none'}, and its values make run {again.run_id or 'none'}"
    return ""


def _versions(sweep: Sweep, before: Content) -> str:
    """Return a clause on the version of Optuna if the sweep was begun with another one."""
    begun, here = before.header and before.header.optuna, sweep.header().optuna
    return f", with Optuna {begun} at the beginning and {here} here" if begun != here else ""
