"""`sweep`: search over settings as a W&B sweep file describes it, and what its trials reached."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from . import options as o
from . import sweep_models
from . import sweep_options as so
from .examples import group, page
from .pages import deferred
from .repository import require_writable
from .screen import Screen, note, result, result_json
from .sweep_read import search_of, sweep_of, worker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..studies.budget import Budget
    from ..studies.jobs import Part
    from ..sweeps.lines import Content
    from ..sweeps.ranking import Trial
    from ..sweeps.sweep import Sweep

_METRIC = (
    "The metric is always that of the full validation split at the end of each epoch, and never that of the test "
    "split. A trial's value is that of its best epoch."
)


def register(app: typer.Typer) -> None:
    """Add the group. `sweep FILE` is `sweep run FILE`, as `spelling` makes it."""
    look = group("sweep") | {"cls": deferred(_commands)}
    sweep = typer.Typer(help="Search over settings by a W&B sweep file.", no_args_is_help=True, **look)
    app.add_typer(sweep, name="sweep")


def _commands() -> typer.Typer:
    sweep = typer.Typer()
    sweep.command(**page("sweep run", _METRIC))(run)
    for command in (status, top, promote, verify):
        sweep.command(**page(f"sweep {command.__name__}"))(command)
    return sweep


@o.takes(**so.OF_EVERY_COMMAND, **so.OF_RUN)
def run(*, as_json: bool, **options: Any) -> None:
    """Draw trials by grid, random or bayes, train each as a run, and stop bad ones early.

    Options of `train` are settings of every trial. If it is interrupted, run the same command again: it resumes the
    unfinished trials and draws the same ones.
    """
    how = {name: options.pop(name) for name in so.OF_RUN if name != "as_json"}
    models = sweep_models.asked(how["models"], options, into=how["into"])
    asked = [options | {"model": model} for model in models] or [options]
    begun, budget = _begin(asked, how, as_json=as_json)
    found = []
    for at, each in enumerate(begun):
        others = [*begun[:at], *begun[at + 1 :]] if budget.limited else []
        left = budget.shared([run for other in others for run in search_of(other.sweep, other.given).runs()])
        found.append((each.sweep, _searched(each, how, left, as_json=as_json)))
    if models:
        return sweep_models.show(found, into=how["into"], as_json=as_json)
    return show(*found[0], count=None, as_json=as_json)


class _Begun(NamedTuple):
    sweep: Sweep
    cap: int | None  # the most trials
    given: dict[str, Any]


def _begin(asked: Sequence[dict[str, Any]], how: dict[str, Any], *, as_json: bool) -> tuple[list[_Begun], Budget]:
    """Return the sweep of each model, all checked before the first training, and what they may take together.

    Raises InputError and HubUnavailable.
    """
    with Screen(quiet=as_json) as screen:
        from ..studies.budget import Budget
        from ..sweeps import drawing

        budget = Budget(hours=how["max_hours"], usd=how["max_usd"], noun="sweep")
        begun = [_Begun(*sweep_of(given, screen, trials=how["trials"]), given) for given in asked]
        for sweep, cap, given in begun:
            drawing.require(sweep.file, cap)
            budget.require_price(given, "the sweep")
            if len(begun) > 1:
                sweep.require_trainable(screen)
        if asked[0].get("upload"):
            require_writable(screen, private=bool(asked[0].get("private")))
    return begun, budget


def _searched(begun: _Begun, how: dict[str, Any], budget: Budget, *, as_json: bool) -> Content:
    """Search to the end; return the lines. Raises NotUploaded."""
    from ..studies import jobs

    with Screen(quiet=as_json) as screen:
        screen.say(_line(begun))
    parts = jobs.parts_of(begun.given | how)
    uploaded = not parts or _work_together(parts, begun.given | how | budget.options())
    content = search_of(begun.sweep, begun.given, cap=begun.cap, how=how, budget=budget).complete()
    if not uploaded:
        from ..errors import NotUploaded

        raise NotUploaded("runs of the sweep are finished, but not uploaded. Run the same command again")
    return content


def _line(begun: _Begun) -> str:
    """Return what a search does, in a line."""
    sweep, cap, given = begun
    file, metric = sweep.file, sweep.file.metric
    count = "1 trial" if cap == 1 else f"{cap:,} trials"
    of = f" of {given['model']}" if given.get("model") else ""
    return (
        f"sweep {file.name}{of}: {file.method}, {count}, sweep seed {sweep.seed}, {metric.goal} {metric.name}. A "
        "trial's value is its best epoch on the full validation split, and never depends on the test. "
        f"Lines: {sweep.path}"
    )


def _work_together(parts: Sequence[Part], options: dict[str, Any]) -> bool:
    """Let several processes search; return whether all their runs are uploaded that are to be.

    Raises Stopped and KeyboardInterrupt.
    """
    from ..errors import Stopped
    from ..studies import jobs

    codes = jobs.work(worker_of(options), parts, note)
    if 130 in codes:
        raise KeyboardInterrupt
    if 75 in codes:
        raise Stopped("the sweep stopped", saved=True)
    return 3 not in codes


@o.takes(**so.OF_EVERY_COMMAND, as_json=(o.AsJson, False))
def status(*, as_json: bool, **given: Any) -> None:
    """Report how far every trial of a sweep is."""
    sweep, content = _read(given, as_json=as_json)
    show(sweep, content, count=None, as_json=as_json, by_number=True)


@o.takes(**so.OF_EVERY_COMMAND, count=(so.Count, 3), as_json=(o.AsJson, False))
def top(*, count: int, as_json: bool, **given: Any) -> None:
    """Print the best trials of a sweep by their validation metric."""
    sweep, content = _read(given, as_json=as_json)
    show(sweep, content, count=count, as_json=as_json)


@o.takes(number=(so.Number, ...), **so.OF_EVERY_COMMAND, as_json=(o.AsJson, False))
def promote(*, number: int, as_json: bool, **given: Any) -> None:
    """Train a pruned trial to its end, from its saved state."""
    with Screen(quiet=as_json) as screen:
        sweep, _ = sweep_of(given, screen)
    content = search_of(sweep, given).promote(number)
    show(sweep, content, count=None, as_json=as_json)


@o.takes(**so.OF_EVERY_COMMAND, as_json=(o.AsJson, False))
def verify(*, as_json: bool, **given: Any) -> None:
    """Recompute every draw of a sweep, compare its values with the logs, and report the first that differs."""
    from ..errors import NotReproduced

    with Screen(quiet=as_json) as screen:
        from ..sweeps import verifying

        sweep, _ = sweep_of(given, screen)
        content = sweep.read()
        difference = verifying.first_difference(sweep, content, screen)
        compared, other = verifying.first_other_value(sweep, content)
    count, found = len(content.drawn), difference or other
    if as_json:
        result_json({"trials": count, "logs": compared, "reproduced": found is None, "difference": found})
    elif not found:
        draws = f"all {count:,} draws are" if count > 1 else "the draw is"
        ended = "trial whose log is" if compared == 1 else "trials whose logs are"
        result(f"{draws} equal, and so are the values of the {compared:,} ended {ended} here")
    if found:
        raise NotReproduced(f"the sweep is not reproduced: {found}")


def _read(given: dict[str, Any], *, as_json: bool) -> tuple[Sweep, Content]:
    with Screen(quiet=as_json) as screen:
        sweep, _ = sweep_of(given, screen)
        content = sweep.read()
        if not content.drawn:
            screen.say(f"note: {_without_trials(sweep)}")
        return sweep, content


def _without_trials(sweep: Sweep) -> str:
    """Return that a sweep has no trial yet, and the options of the other sweeps by its file."""
    from ..studies.cells import words

    found = []
    for each in sweep.others():
        seed = ["--sweep-seed", str(each.seed)] if each.seed else []
        options = shlex.join([*words(each.settings), *seed]) or "none"
        same = each.settings == sweep.header().settings and each.seed == sweep.seed
        found.append(f"{options} (the file has changed since)" if same else options)
    here = f"this sweep has no trial in {sweep.checkpoints}"
    return f"{here}. Sweeps by {sweep.file.name} there have the options: {'; '.join(found)}" if found else here


def show(sweep: Sweep, content: Content, *, count: int | None, as_json: bool, by_number: bool = False) -> None:
    """Print the trials, the best ones first or by number; `count` of them, or all."""
    from ..sweeps import ranking
    from ..system import ticket
    from ..system.columns import columns

    metric = sweep.file.metric
    found = ranking.trials(content, metric, ticket.holders(sweep.files.claims))
    chosen: list[Trial] = (found if by_number else ranking.ranked(found))[:count]
    if as_json:
        return result_json([trial.to_json() for trial in chosen], indent=1)
    note(ranking.summary(sweep.file.name, found))
    names = [each.name for each in sweep.file.parameters if not each.is_constant]
    result(columns(ranking.heads(metric, names), [trial.cells(names) for trial in chosen], folds=("run",)))
    for trial in chosen if by_number else ():
        if trial.ended and trial.ended.why:
            note(f"trial {trial.drawn.trial} {trial.state}: {trial.ended.why}")
    return None
