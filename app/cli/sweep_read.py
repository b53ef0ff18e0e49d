"""A sweep as the options of a command name it, what searches it, and the command line of one of its workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import options as o
from .screen import Screen

if TYPE_CHECKING:
    from ..studies.budget import Budget
    from ..sweeps.searching import Search
    from ..sweeps.sweep import Sweep


def sweep_of(options: Mapping[str, Any], screen: Screen, *, trials: int | None = None) -> tuple[Sweep, int | None]:
    """Return the sweep of a command, and how many trials it may have. Raises InputError."""
    screen.stage("reading the sweep")
    from ..errors import InputError
    from ..studies import cells
    from ..sweeps import drawing, sweepfile
    from ..sweeps.naming import SETTINGS
    from ..sweeps.sweep import Sweep

    if options.get("fresh"):
        raise InputError(cells.NO_FRESH.replace("a study", "a sweep"))
    file = sweepfile.read(options["file"])
    given = {name: value for name, value in o.given(options).items() if name in SETTINGS and name != "max_minutes"}
    sweep = Sweep(file=file, seed=options.get("sweep_seed") or 0, given=given, checkpoints=options["checkpoints"])
    for line in (*file.notes, *sweep.names.notes()):
        screen.say(f"note: {line}")
    ends = [each for each in (trials or file.run_cap, drawing.most(file)) if each is not None]
    return sweep, min(ends, default=None)


def search_of(
    sweep: Sweep, options: Mapping[str, Any], *, cap: int | None = None, how: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
) -> Search:  # fmt: skip
    """Return what trains the trials of a sweep in this process. Raises InputError."""
    from ..studies.budget import Budget
    from ..studies.study import Study
    from ..studies.worker import CLAIM_SECONDS, Worker
    from ..sweeps.searching import Search

    how = how or {}
    screen, remote = Screen(), None  # it is not entered: each training has its own live line
    if options.get("upload"):
        from ..studies.remote import Remote

        remote = Remote.of(sweep.checkpoints, sweep.files.records, screen.say)
    study = Study(cells=[], checkpoints=sweep.checkpoints, files=sweep.files, remote=remote)
    worker = Worker(
        study, screen.say, max_minutes=options.get("max_minutes"), claim_seconds=how.get("claim") or CLAIM_SECONDS,
        mixed_versions=bool(how.get("mixed_versions")), noun="sweep", ranks=how.get("ranks") or 1,
        budget=budget or Budget(),
    )  # fmt: skip
    return Search(sweep, worker, screen, cap)


def worker_of(options: Mapping[str, Any]) -> list[str]:
    """Return the arguments of a command that searches the sweep of these options with others."""
    from ..studies.cells import words
    from ..sweeps.naming import SETTINGS

    given = o.given(options)
    values = {f"--{name.replace('_', '-')}": str(given[name]) for name in ("trials", "sweep_seed") if name in given}
    limits = ("max_hours", "max_usd")
    values |= {f"--{name.replace('_', '-')}": f"{given[name]:.15g}" for name in limits if name in given}
    values |= {"--claim": f"{given['claim']:g}s"} if "claim" in given else {}
    own = [word for name, value in values.items() for word in (name, value)]
    own += ["--ranks", str(given["ranks"])] if given.get("ranks", 1) > 1 else []
    own += ["--mixed-versions"] if given.get("mixed_versions") else []
    settings = {name: value for name, value in given.items() if name in SETTINGS}
    return ["sweep", "run", str(given["file"]), *own, *words(settings)]
