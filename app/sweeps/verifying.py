"""The proof that the lines of a sweep are what its file, its seed, its finished trials and their logs lead to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..artifacts.paths import RunFiles
from ..errors import InputError
from . import curves, lines
from .lines import DONE, FAILED, PRUNED, Content, Drawn, Ended, Header
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
    """Compare the ends of trials with the logs and the records of their runs.

    Returns how many of them have a log on this machine, and a sentence on the first trial whose line differs, or None.
    Raises Damaged for a file that cannot be read.
    """
    compared = 0
    for number, line in sorted(content.ended.items()):
        drawn = content.drawn[number]
        files = RunFiles.at(sweep.checkpoints, drawn.run) if drawn.run else None
        logged = curves.of_run(files, sweep.file.metric) if files else ()
        compared += bool(logged)
        done = bool(files and logged and curves.is_done(files))
        if (files is None or logged) and (found := _other_end(line, logged, sweep.file.metric.name, done=done)):
            return (
                compared,
                f"trial {number}: its line has {found[0]}, and the log of run {drawn.run_id} has {found[1]}",
            )
    return compared, None


def _other_end(line: Ended, logged: Sequence[float], name: str, *, done: bool) -> tuple[str, str] | None:
    """Return what the end of a trial has, and what its run's log and record have instead, or None if they agree.

    A pruned trial ended before its last epoch, and its log may go on. All others have the curve of their log.
    """
    for epoch, (there, here) in enumerate(zip(line.curve, logged, strict=False), 1):
        if there != here:
            return f"{name}={there!r} at epoch {epoch}", repr(here)
    most = len(logged) - done  # epochs of a pruned trial
    if (len(line.curve) > most) if line.state == PRUNED else (len(line.curve) != len(logged)):
        return f"{len(line.curve):,} epochs and is {line.state}", f"{len(logged):,}"
    if done and line.state == FAILED:
        return f"the state {line.state}", "that of a finished run"
    return ("the state done", "that of an unfinished run") if line.state == DONE and not done else None


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
    if line.u != again.u:
        return f"its line has the quantiles {line.u}, and those of the draw are {again.u}{_versions(sweep, before)}"
    if line.run_id != again.run_id:
        return f"its line has run {line.run_id or 'none'}, and its values make run {again.run_id or 'none'}"
    if line.run != again.run:
        return f"its line has the files {line.run}, and those of its run are {again.run}"
    return ""


def _versions(sweep: Sweep, before: Content) -> str:
    """Return a clause on the version of Optuna if the sweep was begun with another one."""
    begun, here = before.header and before.header.optuna, sweep.header().optuna
    return f", with Optuna {begun} at the beginning and {here} here" if begun != here else ""
