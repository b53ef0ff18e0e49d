"""`runs`: list the runs in a folder, show one, print its path, delete runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..system.printable import printable
from . import options as o
from . import screen
from .examples import group, page
from .screen import result, result_json, result_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..artifacts.listing import Listed
    from ..artifacts.removing import Removal

_option = partial(typer.Option, show_default=False)

Where = Annotated[
    list[str] | None,
    _option("--where", metavar="SETTING=VALUE", help="Select runs whose setting has this value, such as seed=0-2, "
            "lr=1e-3 or model=vit_classic,resnet18; repeat it for more settings. Default: all runs."),
]  # fmt: skip
State = Annotated[
    list[str] | None,
    _option("--state", help="Select runs in this state: running, stopped, done or failed; repeat it for more states. "
            "Default: all runs."),
]  # fmt: skip
RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Name a run by its ID or the beginning of it, its folder, or one of its files."),
]
RunArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN]...", help="Name runs by their ID or the beginning of it, their folder, or one of "
                   "their files. Default: the runs that --where and --state select."),
]  # fmt: skip

_STATES = (
    "States: running, a process on this machine trains it. stopped, the train command of the run resumes it. done. "
    "failed, with the kind of the failure."
)
_SAFE = (
    "`run.py runs rm` lists the files with their sizes and asks. A run that another process uses is refused. If the "
    "command is interrupted, the next `run.py runs rm` deletes the rest."
)
_EACH = 10  # runs: of more of them the files are counted, not listed


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(subcommand_metavar="[COMMAND] [ARGS]...", **group("runs", _STATES))
    commands.callback(invoke_without_command=True)(runs)
    commands.command(**page("runs show"))(show)
    commands.command(**page("runs path"))(path)
    commands.command(**page("runs rm", _SAFE))(rm)
    app.add_typer(commands, name="runs")


def runs(
    context: typer.Context,
    where: Where = None,
    state: State = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """List the runs in a folder, oldest first, with settings, state, and top-1 accuracy or RMSE on n test rows."""
    from ..artifacts import listing
    from ..config.conditions import conditions

    if context.invoked_subcommand:
        return _require_alone(context)
    asked = conditions(where or ())
    found = listing.listed(checkpoints, screen.note, asked, listing.states_of(state or ()))
    if as_json:
        return result_json([run.to_json() for run in found])
    if not found:
        return screen.note(
            f"note: no run in {checkpoints}{' fits' if asked or state else ''}. `run.py train` makes one"
        )
    return _print(found, [each.name for each in asked])


def show(run: RunArgument, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS, as_json: o.AsJson = False) -> None:
    """Print the record of a run: results, configuration, data, versions, machines, and files with their sizes."""
    from ..report import page as pages
    from ..sharing import named

    found = named.run_of(run, checkpoints, screen.note)
    return result_json(pages.to_json(found), indent=1) if as_json else result(pages.to_text(found))


def path(run: RunArgument, checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS) -> None:
    """Print the path that all files of a run begin with, for scripts."""
    from ..artifacts.listing import stem_of
    from ..sharing import named

    result_line(stem_of(named.run_of(run, checkpoints, screen.note).files))


def rm(
    runs: RunArguments = None,
    where: Where = None,
    state: State = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    yes: o.Yes = False,
) -> None:
    """Delete all files of runs, after listing them."""
    from ..artifacts import listing, removing
    from ..config.conditions import conditions

    only = listing.states_of(state or ())
    found = removing.chosen(runs or (), checkpoints, screen.note, conditions(where or ()), only)
    removing.require_free(found)
    _announce(found)
    screen.require_agreement(f"Delete {_counted(found)}?", yes=yes)
    _remove(found, checkpoints)


def _require_alone(context: typer.Context) -> None:
    """Raise InputError for an option of the list that stands before another command."""
    from ..errors import InputError

    given = [name for name, value in context.params.items() if value and value != o.DEFAULT_CHECKPOINTS]
    if given:
        name = {"as_json": "--json"}.get(given[0], f"--{given[0]}")
        command = context.invoked_subcommand
        raise InputError(f"{name} before `{command}` has no effect. Write it after `{command}`")


def _print(found: Sequence[Listed], asked: Sequence[str]) -> None:
    from ..report import overview

    result(overview.table(found, asked, screen.width()))


def _announce(found: Sequence[Removal]) -> None:
    """Print what is about to be deleted, and what stays."""
    from ..system import storage

    for removal in found:
        count = f"{len(removal.parts):,} files, {storage.spoken(removal.bytes)}"
        screen.note(printable(f"{removal.files.folder / removal.files.stem}: {removal.state}, {count}"))
        if len(found) <= _EACH:
            for path, size in removal.parts.items():
                screen.note(printable(f"  {storage.spoken(size):>12}  {path.name}{'/' if path.is_dir() else ''}"))
            if others := removal.others:
                screen.note(printable(f"  kept: {', '.join(others)}"))


def _remove(found: Sequence[Removal], checkpoints: Path) -> None:
    from ..artifacts import removing
    from ..system import storage

    freed = 0
    for removal in found:
        freed += removing.remove(removal)
        removing.remove_folder(removal, checkpoints)
        result_line(f"deleted {removal.files.folder / removal.files.stem}")
    result_line(f"{storage.spoken(freed)} freed")


def _counted(found: Sequence[Removal]) -> str:
    from ..system import storage

    number = len(found)
    return f"{number:,} run{'s' if number > 1 else ''} with {storage.spoken(sum(each.bytes for each in found))}"
