"""`train`: one run, from the command to its files, its figures and the Hub."""

from __future__ import annotations

import shlex
import sys
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from . import options as o
from .examples import page
from .repository import require_writable
from .screen import Screen, program, result, result_json
from .spelling import apart
from .study_folds import is_study
from .study_options import OF_TRAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..artifacts.runs import Run
    from ..config.command import Command
    from ..config.settings import Keeping
    from ..data import Cached
    from ..errors import NotUploaded


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(**page("train", o.WHERE_DEFAULTS_COME_FROM))(train)


@o.takes(**OF_TRAIN)
def train(*, seeds: str | None, repeats: int | None, as_json: bool, **options: Any) -> None:
    """Train a model, test it, and keep weights, log, record and figures.

    If a run is interrupted, run the same command again: it resumes.
    """
    if seeds or is_study(options, repeats):
        return _train_several(seeds, repeats, as_json=as_json, **options)
    return _train_one(as_json=as_json, **options)


def _train_several(seeds: str | None, repeats: int | None, *, as_json: bool, **options: Any) -> None:
    """Train the same command with several seeds, folds and repeats: a study."""
    from ..errors import InputError
    from . import study

    if seeds and options.get("seed") is not None:
        raise InputError(f"--seed {options['seed']} and --seeds {seeds} both choose seeds. Omit one of them")
    if repeats is not None and not options.get("folds"):
        raise InputError(f"--repeats {repeats} has no effect without folds. Give --folds, or omit --repeats")
    cross = [f"seed={seeds}"] if seeds else []
    study.run(cross=cross, repeats=repeats, plan=False, yes=False, work=False, as_json=as_json, **options)


def _train_one(*, as_json: bool, **options: Any) -> None:
    from ..config.command import Command

    command = Command.of(o.given(options))
    run = trained(command, text=shlex.join([*program(), *apart(sys.argv[1:])[1]]))
    if run is None:  # the first rank speaks for all
        return
    from ..artifacts.record import plain

    address, failed = kept_at_the_hub(run, command.keeping)
    with suppress(OSError, ValueError):  # nobody reads it; the run is kept
        result_json(plain(run.record)) if as_json else result(_summary(run, address))
    if failed:
        raise failed


def _screen(*, verbose: bool) -> Screen:
    """Return the screen of the first rank's command, or one that prints nothing."""
    from ..system.ranks import rank
    from .silent import Silent

    return Screen(quiet=rank() > 0) if verbose else Silent()


def trained(command: Command, *, text: str, verbose: bool = True) -> Run | None:
    """Train and draw; return the run, None on all ranks but the first. `text` is the command as the record has it."""
    with _screen(verbose=verbose) as screen:
        screen.stage("loading torch")
        from .. import data
        from ..experiment import run as experiment
        from ..sweeps import pruning

        screen.stage("looking up the dataset")
        config = experiment.plan(command.request, screen, command.config, checkpoints=command.keeping.checkpoints)
        if command.keeping.upload:
            screen.stage("asking the Hub whether HF_TOKEN may write")
            require_writable(screen, private=command.keeping.private)
        options = experiment.Options.of(command, text=text, judge=pruning.of_environment())
        run = experiment.train_run(config, options, screen, path=data.where(command.request)["path"])
        if run:
            screen.stage("drawing the figures")
            _draw(run)
    return run


def cached(settings: Mapping[str, Any], *, verbose: bool = True) -> Cached:
    """Return the dataset of a `train` command in the cache, reading it if it is not there. Raises InputError."""
    from ..config.command import Command

    command = Command.of(settings)
    with _screen(verbose=verbose) as screen:
        screen.stage("looking up the dataset")
        from .. import data
        from ..data.asking import require_of_reading
        from ..experiment import run as experiment

        require_of_reading(settings)
        config = experiment.plan(command.request, screen, command.config)
        ask = data.ask_of(config.to_json(), **data.where(command.request))
        return data.prepare(ask, screen.say, screen.reading)


def _draw(run: Run) -> None:
    """Draw the run's own figures, unless they exist."""
    from ..report import testing

    if run.config.epochs and not testing.is_drawn(run.files.loss_png):
        from ..report import loss

        loss.draw_run(run)
    testing.draw_once(run)


def kept_at_the_hub(run: Run, keeping: Keeping, *, verbose: bool = True) -> tuple[str | None, NotUploaded | None]:
    """Return the address of the run's commit if it is to be uploaded, or the error with the command that retries."""
    if not keeping.upload:
        return None, None
    from ..errors import NotUploaded
    from ..sharing import store

    local, folder = run.files.folder / run.files.stem, f"{run.config.folder}/{run.files.stem}"
    try:
        message = f"Add run {run.record.run_id}"
        with _screen(verbose=verbose) as screen:
            screen.stage("uploading the run")
            address = store.upload(local, folder, say=screen.say, private=keeping.private, message=message)
    except Exception as error:  # whatever it is, the run is safe here and its result is printed  # noqa: BLE001
        options = ["--private"] if keeping.private else []
        words = [*program(), *apart(sys.argv[1:])[0], "upload", *options, str(local), folder]
        failed = NotUploaded(
            f"the run is done and safe in {local}.*, but not uploaded ({error}). Retry: {shlex.join(words)}"
        )
        return None, failed
    return address, None


def _summary(run: Run, address: str | None) -> str:
    from ..sharing.card import test_lines

    test, stem = run.record.test, run.files.folder / run.files.stem
    written = ", ".join(path.name.removeprefix(run.files.stem) for path in run.files.present())
    return "\n".join(
        [
            *test_lines(run, test),
            f"written: {stem}",
            textwrap.fill(f"with {written}", 78, initial_indent="  ", subsequent_indent="  "),
            *([f"uploaded: {address}"] if address else []),
            f"next: {shlex.join([*program(), 'evaluate', str(stem)])}",
        ]
    )
