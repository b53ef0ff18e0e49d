"""The proof that the lines of a sweep are what its file, its seed, its finished trials and their logs lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..artifacts.paths import RunFiles
from ..errors import InputError
from . import curves, lines
from .lines import Content, Drawn, Header
from .sweep import Sweep

if TYPE_CHECKING:
    from ..experiment.observers import Screen


def first_difference(sweep: Sweep, content: Content, screen: Screen) -> str | None:
    """Return a sentence on the first trial whose draw differs from the recomputed one, or None if all are equal.

    Raises InputError for a sweep without trials.
    """
    if not content.drawn:
        raise InputError(f"the sweep has no trials in {sweep.path}. Run `sweep {sweep.file.name}.yaml` first")
    assert content.header, "the first line is a header"
    written, here = _rules(content.header), _rules(sweep.header())
    for name in here:
        if written[name] != here[name]:
            return f"the first line has {name}={written[name]!r}, and the file and the options lead to {here[name]!r}"
    for number, line in content.drawn.items():
        if found := _difference(sweep, content.before(number), line, screen):
            return f"trial {number}: {found}"
    return None


def first_other_value(sweep: Sweep, content: Content) -> tuple[int, str | None]:
    """Compare the values of ended trials with the logs of their runs.

    Returns how many of them have a log on this machine, and a sentence on the first trial whose line differs, or None.
    Raises Damaged for a log that cannot be read.
    """
    compared, metric = 0, sweep.file.metric
    for number, line in sorted(content.ended.items()):
        run = content.drawn[number].run
        logged = curves.of_run(RunFiles.at(sweep.checkpoints, run), metric) if run and line.curve else ()
        compared += bool(logged)
        for epoch, (there, here) in enumerate(zip(line.curve, logged, strict=False), 1):
            if there != here:
                return compared, (
                    f"trial {number}: its line has {metric.name}={there!r} at epoch {epoch}, and the log of run "
                    f"{content.drawn[number].run_id} has {here!r}"
                )
    return compared, None


def _rules(header: Header) -> dict[str, Any]:
    """Return what a header has of the search, without what decides no draw."""
    found: dict[str, Any] = msgspec.to_builtins(header)
    metric = {name: found["metric"][name] for name in ("column", "goal", "impute")}
    return {name: found[name] for name in ("method", "seed", "parameters", "settings", "early_terminate")} | metric


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
