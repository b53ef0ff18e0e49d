"""The command that `launch` prints for a rented machine: parsed, checked as far as is possible here, and never run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from . import options as o
from . import study_options, study_read, sweep_options, sweep_read
from .examples import page
from .screen import Screen
from .spelling import run_named

if TYPE_CHECKING:
    from ..studies.rows import Row

# Options that may name a path of this machine, and what to do instead.
_INSTEAD = {
    "dataset": "Put it on the Hub, or",
    "checkpoints": "Omit it, or",
    "data": "Copy it there, and",
    "design": "Copy it there, and",
    "filelist": "Copy it there, and",
}


class Launched(NamedTuple):
    """A command for a rented machine."""

    words: tuple[str, ...]  # what follows `run.py`
    uploads: bool
    gpus: int | None = None  # that a study trains on; None for any number, as for `train`, and on a CPU
    files: tuple[str, ...] = ()  # what it reads in the folder that the place mounts


def checked(words: list[str], *, shared: bool) -> Launched:
    """Return a `train`, `study` or `sweep` command. Raises their errors.

    `shared` says that the place mounts a folder.
    """
    from ..errors import InputError

    words = run_named(words, {"study": study_options.COMMANDS, "sweep": sweep_options.COMMANDS})
    if words[0] == "train":
        return _train(words, shared=shared)
    if words[:2] == ["study", "run"]:
        return of_study(_parsed("study run", study_options.OF_RUN, words[2:]), shared=shared)
    if words[:2] == ["sweep", "run"]:
        own = sweep_options.OF_EVERY_COMMAND | sweep_options.OF_RUN
        return _sweep(_parsed("sweep run", own, words[2:]), shared=shared)
    typed = " ".join(words[:2]) if words[0] in ("study", "sweep") else words[0]
    raise InputError(
        f"{typed!r} after -- is not a train, study or sweep command. Write: launch PLACE -- train ..., launch PLACE -- "
        "study FILE ..., or launch PLACE -- sweep FILE ..."
    )


def _train(words: list[str], *, shared: bool) -> Launched:
    """Return a `train` command. Raise its errors that can be found without torch."""
    from ..config.command import Command

    given = o.given(_parsed("train", study_options.OF_TRAIN, words[1:]))
    Command.of({name: value for name, value in given.items() if name != "as_json"})
    return Launched(tuple(words), uploads=bool(given.get("upload")), files=_files(given, shared=shared))


def of_study(options: Mapping[str, Any], *, shared: bool) -> Launched:
    """Return the worker of a study, all runs of which are checked. Raises InputError."""
    from ..errors import InputError
    from ..studies import jobs
    from ..studies.budget import Budget

    for name in ("plan", "as_json"):
        if options.get(name):
            raise InputError(
                f"{'--json' if name == 'as_json' else '--plan'} has no effect on a rented machine. Omit it"
            )
    data = set(_files(options, shared=shared))
    with Screen() as screen:
        screen.stage("reading the study")
        rows = study_read.rows_of(options)
        if _are_here(rows, screen, shared=shared, data=data):
            cells = study_read.cells_of(options, rows, screen)
            Budget(hours=options.get("max_hours"), usd=options.get("max_usd")).require(cells)
    file: Path | None = options.get("file")
    stays = file is not None and shared and _is_below(file)
    words = study_read.worker_of({**options, "file": file if stays or file is None else _embedded(file)})
    files = ([str(file)] if file and stays else []) + sorted(data)
    return Launched(tuple(words), bool(options.get("upload")), jobs.gpus_of(options), tuple(files))


def _sweep(options: Mapping[str, Any], *, shared: bool) -> Launched:
    """Return a worker of a sweep, whose file is checked. Raises InputError."""
    from ..errors import InputError
    from ..studies import jobs
    from ..studies.budget import Budget
    from ..sweeps import drawing

    for name in ("as_json", "models", "into"):
        if options.get(name):
            raise InputError(f"--{name.removeprefix('as_')} of `sweep` is not available for `launch`. Omit it")
    data = sorted(_files(options, shared=shared))
    with Screen() as screen:
        sweep, cap = sweep_read.sweep_of(options, screen, trials=options.get("trials"))
        drawing.require(sweep.file, cap)
        Budget(usd=options.get("max_usd")).require_price(options, "the sweep")
    file = options["file"]
    stays = shared and _is_below(file)
    words = sweep_read.worker_of({**options, "file": file if stays else _embedded(file)})
    for name in ("jobs", "jobs_per_device"):
        words += [f"--{name.replace('_', '-')}", str(options[name])] if (options.get(name) or 1) > 1 else []
    return Launched(
        tuple(words), bool(options.get("upload")), jobs.gpus_of(options), (*([str(file)] if stays else []), *data)
    )


def _are_here(rows: list[Row], screen: Screen, *, shared: bool, data: set[str]) -> bool:
    """Return whether the data of a study can be looked at here; the settings of all rows are checked in any case.

    Paths of rows in the current folder are added to `data` if the place mounts a folder.
    """
    from ..studies import cells

    read = cells.commands(rows, require=lambda given: data.update(_files(given, shared=shared)))
    there = [row for row in rows if any(_is_there(path) for path in _paths_of_data(read[id(row)][0]))]
    if there:
        screen.say(f"note: data below /workspace is not here. The rented machine checks whether {_runs(there)} fit it")
    return not there


def _is_below(file: Path) -> bool:
    """Return whether a file is named relative to the current folder, and is inside of it."""
    return not file.is_absolute() and file.resolve().is_relative_to(Path.cwd().resolve())


def _embedded(file: Path) -> Path:
    from ..studies import embedded

    return file if embedded.is_url(file) else Path(embedded.of_file(file))


def _parsed(path: str, own: Mapping[str, tuple[Any, Any]], words: list[str]) -> dict[str, Any]:
    """Return the options of a command by name. Raises Typer's errors."""
    from typer.main import get_command

    @o.takes(**own)
    def parsed(**_: Any) -> None:
        """Take the options of the command."""

    alone = typer.Typer(add_completion=False)
    alone.command(**page(path))(parsed)
    return dict(get_command(alone).make_context(f"run.py {path}", words).params)


def _paths(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the options that may name a path of this machine, each with one path."""
    return [(option, path) for option in _INSTEAD for path in str(given.get(option) or "").split(",")]


def _paths_of_data(given: Mapping[str, Any]) -> list[str]:
    return [path for option, path in _paths(given) if option != "checkpoints"]


def _runs(rows: list[Row]) -> str:
    return f"{len(rows):,} run{'' if len(rows) == 1 else 's'}"


def _files(given: Mapping[str, Any], *, shared: bool) -> tuple[str, ...]:
    """Return the paths of a command in the current folder, which a place that mounts a folder has too.

    Raises InputError for another path of this machine: the container writes and keeps /workspace only.
    """
    from ..errors import InputError

    found = []
    for option, path in _paths(given):
        named = option != "dataset" and path not in ("", str(o.DEFAULT_CHECKPOINTS))
        local = named or path.startswith((".", "~", "/"))
        if not local or _is_there(path):
            continue
        stays = shared and option != "checkpoints"
        if not stays or not _is_below(Path(path)) or not Path(path).exists():
            also = ", or a path that exists in the current folder" if stays else ""
            raise InputError(
                f"--{option} {path} is not on the rented machine. {_INSTEAD[option]} give a path below /workspace{also}"
            )
        found.append(path)
    return tuple(found)


def _is_there(path: str) -> bool:
    return path.startswith("/workspace/")
