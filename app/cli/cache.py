"""`cache`: show which datasets are cached and what they take, and delete them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ..system.printable import printable
from . import options as o
from . import screen
from .examples import group, page
from .screen import result, result_json, result_line

if TYPE_CHECKING:
    from ..data.store.clearing import Part
    from ..data.store.contents import Contents, Dataset

_option = partial(typer.Option, show_default=False)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Delete these datasets: a name such as cifar100 for every size, or the "
                   "name of a folder for one. Default: only what interrupted builds left."),
]  # fmt: skip
All = Annotated[
    bool,
    _option("--all", metavar="", help="Delete everything that isoscale keeps in the cache: datasets, measurements, and "
            "runs downloaded for reading. Default: off."),
]  # fmt: skip

_FOLDER = (
    "The cache is $ISOSCALE_CACHE, or isoscale in $XDG_CACHE_HOME, or ~/.cache/isoscale. The next command that needs a "
    "deleted dataset reads or downloads it again. Runs in checkpoints are not affected."
)
_FOLDS = ("splits", "dataset", "verified")
_FIRST_TO_GO = ("made", "verified")  # columns, on a narrow terminal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(subcommand_metavar="[COMMAND] [ARGS]...", **group("cache", _FOLDER))
    commands.callback(invoke_without_command=True)(cache)
    commands.command(**page("cache show", _FOLDER))(show)
    commands.command(**page("cache clear"))(clear)
    app.add_typer(commands, name="cache")


def cache(context: typer.Context, as_json: o.AsJson = False) -> None:
    """Show the cache folder: datasets with their rows and bytes, what else is in it, and the free disk space."""
    if not context.invoked_subcommand:
        return _print(as_json=as_json)
    from ..errors import InputError

    if as_json:
        command = context.invoked_subcommand
        raise InputError(f"--json before `{command}` has no effect. Write it after `{command}`")
    return None


def show(as_json: o.AsJson = False) -> None:
    """Show the cache folder, as `cache` without a command does."""
    _print(as_json=as_json)


def clear(names: Names = None, everything: All = False, yes: o.Yes = False) -> None:
    """Delete cached datasets, after listing them, and what interrupted builds left."""
    from ..data.store import clearing
    from ..data.store.contents import contents

    parts = clearing.chosen(contents(), names or (), everything=everything)
    clearing.require_free(parts)
    _announce(parts)
    screen.require_agreement(f"Delete {_spoken(sum(part.bytes for part in parts))}?", yes=yes)
    freed = 0
    for part in parts:
        freed += clearing.remove(part)
        result_line(f"deleted {part.path}")
    result_line(f"{_spoken(freed)} freed")


def _print(*, as_json: bool) -> None:
    from ..data.store.contents import contents

    found = contents()
    return result_json(found.to_json(), indent=1) if as_json else _print_table(found)


def _print_table(found: Contents) -> None:
    from ..system.columns import columns, fitted

    if found.datasets:
        heads = ("dataset", "size", "splits", "bytes", "made", "last used", "verified")
        rows = [_row(each) for each in found.datasets]
        result(fitted(heads, rows, screen.width(), omits=_FIRST_TO_GO, folds=_FOLDS))
    else:
        result("no cached datasets")
    others = [(each.path.name, _spoken(each.bytes), each.what or "not made by isoscale") for each in found.others]
    if others:
        result(columns(("also", "bytes", "what it is"), others, width=screen.width(), folds=("what it is", "also")))
    if found.unfinished:
        names = ", ".join(printable(path.name) for path in found.unfinished)
        result(screen.named(f"unfinished builds: {names}. `run.py cache clear` deletes those that are not in use"))
    result(f"{printable(found.root)}: {_spoken(found.bytes)}, {_spoken(found.free)} free on this disk")


def _row(each: Dataset) -> tuple[str, ...]:
    bytes_, times = _spoken(each.bytes), (_day(each.made), _day(each.used))
    if not each.manifest:
        return each.name, "-", "-", bytes_, *times, f"damaged: {each.folder.name}"
    splits = ", ".join(f"{split} {count:,}" for split, count in each.manifest.rows.items())
    return each.name, each.side, splits, bytes_, *times, "yes" if each.verified else "no"


def _announce(parts: list[Part]) -> None:
    for part in parts:
        screen.note(f"{_spoken(part.bytes):>12}  {printable(part.path)}: {printable(part.name)}")


def _day(seconds: float | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d", time.localtime(seconds))


def _spoken(count: int) -> str:
    from ..system.storage import spoken

    return spoken(count)
