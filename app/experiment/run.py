"""One run, from its configuration to its artifacts: `train_run` begins or resumes it, `evaluate` tests it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import msgspec

from .. import evaluation, models, place, task
from ..artifacts import record, split_rows
from ..artifacts.parts import Results, tested
from ..artifacts.paths import RunFiles, kept_name
from ..artifacts.predictions import Predictions
from ..artifacts.record import Record
from ..artifacts.runs import Run, place_of
from ..artifacts.which import FINAL, Which
from ..config.run import RunConfig
from ..errors import NO_TEXT, InputError, Stopped, is_text
from ..sharing import arrival
from ..system import signals
from ..system.durable import sha256
from ..system.locks import lock
from . import keeping, pushing, recomputing, tracking
from . import stages as training
from . import temperature as fitting
from .claiming import claimed
from .earlier import as_begun, streamed
from .elsewhere import evaluate_on, latest
from .observers import Screen
from .options import Options
from .planning import plan, tell_kin
from .pushing import Push, Pusher

READY, DONE, FAILED = range(3)  # messages of the first rank to the others; the largest one counts
_LAST_PUSH = 120.0  # seconds for the last push if nobody is about to kill the process
_AT_ONCE = 7.0  # seconds for a push in progress if the command ends or fails
_INTERRUPTED = 0.5  # after Ctrl-C twice, which ends the process within two seconds
_TO_EXIT, _LEAST = 3.0, 1.0  # seconds of the grace that are kept for the end, and those that a push gets in any case


def train_run(
    config: RunConfig, options: Options, screen: Screen, *, path: str | None = None, like: Record | None = None
) -> Run | None:
    """Train a run to its end, resume it, or find it done. Then test its final weights.

    `path` is the path of a local dataset. `like` is the record of a run on whose data version a new run begins, and
    which it is computed like. Under `torchrun` the first rank returns the run, the others None. Raises InputError for
    bad input, and Stopped after a signal or the time limit.
    """
    with signals.ending(), place.own_threads():
        return _trained(as_begun(config, options, screen, path), options, screen, path, like)


def _trained(config: RunConfig, options: Options, screen: Screen, path: str | None, like: Record | None) -> Run | None:
    if not is_text(str(options.checkpoints.absolute())):
        raise InputError(f"--checkpoints {options.checkpoints}: {NO_TEXT}")
    keeping.require_effect(options.keep_every, config.epochs)
    deadline = None if options.max_minutes is None else time.monotonic() + 60 * options.max_minutes
    files = _files(config, options)
    chosen = place.choose(device=options.device, precision=config.precision, threads=options.threads)
    with place.joined(chosen) as here, ExitStack() as held:
        if here.rank:
            if here.agree(READY) == READY:
                with _together(here):
                    training.follow(config, files, path, options, screen, here, deadline=deadline)
            return None
        pusher = None
        with _telling(here):
            held.enter_context(lock(files.lock, wait=False))
            held.enter_context(claimed(files, config.run_id))
            files.sweep()
            arrival.settle(files)
            kept = _kept(files, options)
            if options.push and not (kept and kept.done):
                pusher = held.enter_context(_pushed(config, files, options, options.push, screen))
                kept = _kept(files, options)
            done = _found_done(Run(files, kept), screen) if kept and kept.done else None
            if not kept:
                tell_kin(config, options.checkpoints, screen.say)
            job = None if done else training.prepare(config, files, kept, path, options, screen, here, like)
            if job:
                held.enter_context(tracking.tracked(files, options.track, options.track_every, screen.say))
        here.agree(READY if job else DONE)
        if job is None:
            return done
        with _together(here), held.pop_all():
            return training.train(job, pusher, deadline=deadline)


def _files(config: RunConfig, options: Options) -> RunFiles:
    """Return the files of the run, which may not exist yet."""
    return RunFiles.of(options.checkpoints, config) if options.fresh else place_of(options.checkpoints, config)


@contextmanager
def _together(here: place.Place) -> Iterator[None]:
    """Let no rank end before the first has written its files. A rank that is stopped outside of the loop ends alone."""
    try:
        yield
    except Stopped as stopped:
        if stopped.saved:
            here.agree(READY)
        raise
    here.agree(READY)


@contextmanager
def _telling(here: place.Place) -> Iterator[None]:
    """End the other ranks too, if the first one fails before training."""
    try:
        yield
    except BaseException:
        with suppress(RuntimeError):  # they no longer exist
            here.agree(FAILED)
        raise


def _found_done(run: Run, screen: Screen) -> Run:
    """Return the run as it is. Raise Damaged if its files are damaged or missing."""
    screen.say(f"done already: {run.files.record} (--fresh retrains it)")
    run.require_whole()
    shutil.rmtree(run.files.state, ignore_errors=True)  # left by a kill after the last write
    return run


def _kept(files: RunFiles, options: Options) -> Record | None:
    """Return the record of a run that was begun, or None if it begins now.

    Raises InputError for a run that an earlier version trained from the stream, because its ID now means other splits.
    """
    _require_no_dangling(files, options)
    kept = record.read(files.record) if files.record.exists() and not options.fresh else None
    if kept and kept.data.streamed:
        raise InputError(f"{streamed(kept)}. Train with --fresh, which replaces it")
    return kept


def _require_no_dangling(files: RunFiles, options: Options) -> None:
    """Raise InputError for a record that is a link to a missing place, because the run may be finished there."""
    if files.record.is_symlink() and not files.record.exists() and not options.fresh:
        raise InputError(
            f"the run record {files.record} is a link to {files.record.readlink()}, which does not exist. Mount its "
            "disk, or remove the link. --fresh replaces the run"
        )


@contextmanager
def _pushed(config: RunConfig, files: RunFiles, options: Options, push: Push, screen: Screen) -> Iterator[Pusher]:
    """Yield the pusher of a run that is kept on the Hub, from the claim of the run to its last push."""
    pusher = pushing.begin(config, files, push, screen.say, fresh=options.fresh)
    pusher.start()
    try:
        yield pusher
    except Stopped as stopped:
        there = pusher.close(seconds=_seconds_left(stopped, options.grace), release=True)
        if not stopped.saved:
            raise
        where = "and on the Hub" if there else "but not on the Hub"
        raise Stopped(f"{stopped}, {where}", saved=True, complete=stopped.complete, kind=stopped.kind) from stopped
    except BaseException as error:
        pusher.close(seconds=_INTERRUPTED if isinstance(error, KeyboardInterrupt) else _AT_ONCE, release=True)
        raise
    pusher.close(seconds=_AT_ONCE, release=False)


def _seconds_left(stopped: Stopped, grace: float) -> float:
    """Return the seconds for the last push of a stopped run: the rest of the grace period since the signal."""
    if stopped.in_time:
        return _LAST_PUSH
    since = time.monotonic() if stopped.since is None else stopped.since
    return max(_LEAST, since + grace - _TO_EXIT - time.monotonic())


def evaluate(
    run: Run, options: Options, screen: Screen, *, which: Which = FINAL, again: bool = False, temperature: bool = False
) -> Run:
    """Return the run with its test results, from the stored predictions, or with `again` from its weights and data.

    With `temperature` the results have one, fitted on validation. Raises InputError for an unfinished run, for weights
    that it does not have, for damaged files, unless every test row was predicted exactly once, and as
    `temperature.fitted`.
    """
    run.require_done()
    which.require(run)
    if options.data and not again and not temperature:
        raise InputError("--data has an effect with --again only. Add --again, or omit --data")
    with lock(run.files.lock, wait=False):
        if temperature:
            run = fitting.fitted(run, options, screen, which=which, again=again)
        return _evaluated(run, options, screen, which, again=again)


def top_k(run: Run, k: int, *, which: Which = FINAL) -> dict[str, Any]:
    """Return `topK` and `topK_interval` of an evaluated run.

    Raises InputError for a regression, or k above its classes.
    """
    if task.of(run.config.task) is task.values:
        raise InputError(f"--top-k has no effect on run {run.record.run_id}, which predicts a number. Omit it")
    if k > run.config.classes:
        raise InputError(
            f"--top-k {k} is more than the {run.config.classes} classes of {run.config.dataset}. Use "
            f"{run.config.classes} or less"
        )
    return evaluation.top_k(Predictions.load(getattr(run.files, which.predictions)), k)


def evaluate_kept(run: Run, options: Options, screen: Screen, *, epoch: int) -> Run:
    """Return the run with the test of the weights that were kept after an epoch, in its results under `test_kept`.

    Other tests stay. Raises InputError for an unfinished run, and Damaged for files that are damaged or missing.
    """
    run.require_done()
    with lock(run.files.lock, wait=False):
        run = _predicted(run, options, screen, weights=kept_name(epoch), into="kept_predictions")
        return _measured(run, "kept_predictions", "test_kept", epoch=epoch)


def _evaluated(run: Run, options: Options, screen: Screen, which: Which, *, again: bool) -> Run:
    if again or not getattr(run.files, which.predictions).exists():
        run = _predicted(run, options, screen, weights=which.file, into=which.predictions)
    return _measured(run, which.predictions, which.test)


def _predicted(run: Run, options: Options, screen: Screen, *, weights: str, into: str) -> Run:
    """Return the run with the recomputed predictions of `weights` in the file `into`, both names in `RunFiles`."""
    models.require_file(run.config)
    with place.own_threads():
        _predict(run, options, screen, weights=weights, into=into)
    sums = {part: sha256(getattr(run.files, part)) for part in (into, "splits")}
    return _changed(run, files=(run.record.files or {}) | sums)


def _measured(run: Run, name: str, result: str, **more: Any) -> Run:
    """Return the run with the metrics of stored predictions in its results, and write its record."""
    run.require_whole(name, "splits", fix="Run `evaluate --again` to recompute it")
    predictions = Predictions.load(getattr(run.files, name))
    evaluation.require_same_rows(predictions, split_rows.of_test(run.files))
    results = run.record.results or Results()
    found = {result: tested({**evaluation.metrics(predictions), **more})}
    done = _changed(run, results=msgspec.structs.replace(results, **found))
    record.write(run.files.record, done.record)
    return done


def _changed(run: Run, **fields: Any) -> Run:
    """Return the run with other values in its record."""
    return Run(run.files, msgspec.structs.replace(run.record, **fields))


def _predict(run: Run, options: Options, screen: Screen, *, weights: str, into: str) -> None:
    """Recompute the predictions of `weights` into the file `into`, both names in `RunFiles`."""
    predictions, splits, _ = recomputing.tested(run, options, screen, weights=weights)
    evaluation.require_numbers(predictions)  # before the existing ones are replaced
    split_rows.save(run.files, splits)
    predictions.save(getattr(run.files, into))


__all__ = ["Options", "Push", "evaluate", "evaluate_kept", "evaluate_on", "latest", "plan", "top_k", "train_run"]
