"""`reproduce`: recompute a published result and report whether it holds."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, NotReproduced
from ..tables import own
from . import options as o
from .examples import page
from .own_code import require_used
from .screen import Screen, program, result, result_json
from .spelling import NEXT, apart

if TYPE_CHECKING:
    from ..experiment.options import Options
    from ..results.published import Published
    from ..results.reproduction import Reproduction

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Name a finished run by its ID, its path, or hf://owner/name/path.")
]
Retrain = Annotated[
    bool,
    typer.Option("--retrain/--no-retrain", show_default=False, metavar="",
                 help="Train the run again in another folder, and compare weights and result. Default: only predict "
                 "its test set again."),
]  # fmt: skip
NewSeed = Annotated[
    str | None,
    typer.Option("--new-seed", metavar="[N]", show_default=False,
                 help="Train one more seed, N or the lowest unknown one, and compare its result with the known seeds. "
                 "Default: off."),
]  # fmt: skip
Into = Annotated[
    Path | None,
    typer.Option("--into", metavar="FOLDER", show_default=False,
                 help="Keep the retrained run in this folder, with --retrain or --new-seed. Default: a folder in the "
                 "cache."),
]  # fmt: skip
Fresh = Annotated[
    bool,
    typer.Option("--fresh/--no-fresh", show_default=False, metavar="",
                 help="Delete what an earlier --retrain or --new-seed trained, and train it again. Default: off."),
]  # fmt: skip
DataAt = Annotated[
    str | None,
    typer.Option("--data", metavar="FOLDER", show_default=False,
                 help="Read the run's local dataset from this folder. Default: where the run read it."),
]  # fmt: skip
Design = Annotated[
    str | None,
    typer.Option("--design", show_default=False, help="Read the targets of fields from this CSV file, with --data. "
                 "Default: the only CSV file in the folder."),
]  # fmt: skip
Filelist = Annotated[
    str | None,
    typer.Option("--filelist", show_default=False, help="Read the splits of fields from these file lists, with --data. "
                 "Default: none."),
]  # fmt: skip
_CODES = (
    "Exit codes: 0 if the result is reproduced, 5 if it is not, and 2 if this cannot be tried, for example without the "
    "run's data. 75 if training was stopped: the same command resumes it."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("reproduce", _CODES))(reproduce)


def reproduce(
    run: RunName,
    retrain: Retrain = False,
    new_seed: NewSeed = None,
    into: Into = None,
    fresh: Fresh = False,
    best: o.Best = False,
    ema: o.Ema = False,
    model: o.OwnModel = None,
    data: DataAt = None,
    design: Design = None,
    filelist: Filelist = None,
    device: o.Device = None,
    threads: o.Threads = None,
    checkpoints: o.Checkpoints = o.DEFAULT_CHECKPOINTS,
    as_json: o.AsJson = False,
) -> None:
    """Recompute a published result from its weights and data, or by training again, and report whether it holds."""
    trains = retrain or new_seed is not None
    _require_one(retrain=retrain, new_seed=new_seed, best=best, ema=ema)
    _require_training(trains, into=into, fresh=fresh)
    _require_data(data, design=design, filelist=filelist)
    own.ask(model)
    files = {"data": data, "design": design, "filelist": filelist}
    with Screen() as screen:
        screen.stage("looking for the run")
        from ..artifacts.which import chosen
        from ..results import published

        found = published.found(run, checkpoints, screen.say, which=chosen(best=best, ema=ema))
        require_used(model, found.run)
        options = _options(device=device or "auto", threads=threads, fresh=fresh, **files)
        if trains:
            done = _trained(found, options, screen, into, checkpoints, new_seed)
        else:
            done = _predicted(found, options, screen)
    _print(done, as_json=as_json)


def _print(done: Reproduction, *, as_json: bool) -> None:
    """Print a report. Raise NotReproduced if it refutes the published result."""
    result_json(done.to_json()) if as_json else result("\n".join(done.lines()))
    if not done.reproduced:
        why = "; ".join(fact.text for fact in done.refuting)
        raise NotReproduced(f"run {done.record.run_id} is not reproduced: {why}")


def _options(**given: Any) -> Options:
    from ..experiment.options import Options

    return Options(**given, command=shlex.join([*program(), *apart(sys.argv[1:])[1]]))


def _predicted(found: Published, options: Options, screen: Screen) -> Reproduction:
    from ..results import reproduce as reproducing

    return reproducing.reevaluated(found, options, screen)


def _trained(
    found: Published, options: Options, screen: Screen, into: Path | None, checkpoints: Path, new_seed: str | None
) -> Reproduction:
    from dataclasses import replace

    from ..results import retrain as retraining

    options = replace(options, checkpoints=retraining.folder_of(found.run, into))
    if new_seed is None:
        return retraining.retrained(found, options, screen, known=checkpoints)
    seed = None if new_seed == NEXT else int(new_seed)
    return retraining.new_seed(found, options, screen, known=checkpoints, seed=seed)


def _require_one(*, retrain: bool, new_seed: str | None, best: bool, ema: bool) -> None:
    """Raise InputError for options that exclude each other, and for a seed that is no number."""
    if retrain and new_seed is not None:
        raise InputError("--retrain and --new-seed are two experiments. Omit one of them")
    if new_seed not in (None, NEXT) and not new_seed.isdecimal():
        raise InputError(f"--new-seed {new_seed!r} is not a seed. Use a whole number from 0, or no value")
    for given, name, title in ((best, "--best", "best"), (ema, "--ema", "averaged")):
        if given and (retrain or new_seed is not None):
            raise InputError(
                f"{name} compares the stored predictions of the {title} weights. Omit it, or train without it"
            )


def _require_training(trains: bool, **others: Any) -> None:
    """Raise InputError for an option of a training where nothing is trained."""
    if not trains and (given := [name for name, value in others.items() if value]):
        raise InputError(f"--{given[0]} has an effect with --retrain or --new-seed only. Omit it")


def _require_data(data: str | None, **others: Any) -> None:
    """Raise InputError for an option that describes files that are not named."""
    if not data and (given := [name for name, value in others.items() if value]):
        raise InputError(f"--{given[0]} has an effect with --data only. Add --data, or omit --{given[0]}")
