"""The stages of training one run: its data and its record, the loop, and the files that are kept at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from .. import data, log, loop, optim, place, task
from ..artifacts import checkpoint, parts, provenance, record, split_rows
from ..artifacts.paths import RunFiles
from ..artifacts.record import Record
from ..artifacts.runs import Run
from ..computing import execution
from ..computing.arithmetic import Arithmetic
from ..computing.memory import average_bytes, state_bytes
from ..config import recipes
from ..config.checks import check_stream
from ..config.run import RunConfig
from ..counts.zoo import idle_kernel
from ..data.splits.division import Splits
from ..events import Observer
from ..models import drop_path
from ..models.attention.lambdas import lambdas_of
from ..place import Place
from ..system import deterministic
from ..system.durable import require_allowed, require_space
from . import (
    building,
    finishing,
    forecast,
    initial,
    judging,
    keeping,
    ledger,
    length,
    objective,
    shortage,
    untrained,
)  # fmt: skip
from .job import Job
from .learner import Learner
from .observers import Begun, Best, Diverging, Logging, Progress, Pushing, Saving, Screen, Stopping
from .options import Options
from .pace import CtrlC, Pace
from .pushing import Pusher
from .recording import recorded
from .stopping import Reason, stop_requests

_SMALL_FILES = 1 << 24  # bytes of a run in addition to its weights and states


def prepare(
    config: RunConfig, files: RunFiles, kept: Record | None, path: str | None, options: Options,
    screen: Screen, here: Place, like: Record | None = None,
) -> Job:  # fmt: skip
    """Prepare the first step: the data, the choices by measurement, and the record on disk.

    A new run begins on the data version of `like`, and is computed like it.
    """
    stay, began = ledger.Stay.begin(here), kept or like
    execution.require_effect(options.gradients, here, stored=kept.stored_execution if kept else None)
    here = _place_of_training(here, config, began, screen.say)
    screen.stage(f"preparing {config.dataset}")
    cached = _cached(config, began, path, options, screen)
    splits = _splits(config, cached, here, screen)
    screen.stage("choosing how to compute: attention path, micro-batch size, compiling")
    chosen = _chosen(config, began, len(splits.train), options, screen, here)
    execution.require_whole_batches(config, here, chosen, examples=length.shown(config, len(splits.train)))
    schedule, clamped = length.schedule(config, splits)
    state = checkpoint.load_state(files.state, screen.say) if kept else None
    init = None if state else initial.begun(config, options, cached.manifest.class_names, screen.say)
    if not kept:
        _make_room(config, files, every=options.keep_every)
        kept = provenance.begun(
            config, ask=cached.ask, manifest=cached.manifest, splits=splits, command=options.command,
            execution=parts.part(parts.Execution, chosen.to_json()), schedule=schedule,
        )  # fmt: skip
    kept.execution, kept.schedule = parts.part(parts.Execution, chosen.to_json()), schedule
    kept.status, kept.failure, kept.init, kept.tag = "running", None, init or kept.init, options.tag or kept.tag
    here.take_threads(chosen.threads)
    split_rows.save(files, splits)
    from_step = state.step if state else 0
    keeping.drop_later(files, from_step, steps_per_epoch=schedule.total_steps // max(1, config.epochs))
    ledger.open_place(kept, here, stay, from_step=from_step, usd_per_hour=options.usd_per_hour)
    notes = (clamped, *_idle(config, len(splits.train)), *objective.notes(config, kept.data))
    _tell(screen, recipes.described(config, config.row), kept.data.warning, *notes, ledger.note(kept))
    record.write(files.record, kept)
    return Job(
        config=config, files=files, kept=kept, splits=splits, here=here, chosen=chosen, state=state, options=options,
        screen=screen, stay=stay,
    )  # fmt: skip


def _idle(config: RunConfig, rows: int) -> tuple[str, ...]:
    """Return what has no effect in a run on `rows` training rows, each an empty text if it has one."""
    return length.small_split(config, rows), length.still(config, rows), idle_kernel(config.shape)


def _chosen(
    config: RunConfig, kept: Record | None, rows: int, options: Options, screen: Screen, here: Place
) -> execution.Execution:
    """Return how a run is computed: as it began, or as chosen now for a training split of `rows` rows."""
    if kept:
        return execution.again(kept.stored_execution, config, here, options.wishes, screen.say)
    return execution.choose(config, here, options.wishes, steps=length.steps(config, rows), say=screen.say)


def _tell(screen: Screen, *notes: str | None) -> None:
    for note in filter(None, notes):
        screen.say(f"note: {note}")


def _splits(config: RunConfig, cached: data.Cached, here: Place, screen: Screen) -> Splits:
    """Return the splits of the run, after reporting how its data were understood."""
    splits = data.splits(config, here, cached, screen.say)
    for line in data.described(config, cached, splits).lines():
        screen.say(line)
    return splits


def _cached(config: RunConfig, kept: Record | None, path: str | None, options: Options, screen: Screen) -> data.Cached:
    """Return the run's dataset in the cache, at the version that the run began with."""
    where = {"path": path, "design": options.design, "filelist": options.filelist}
    ask = data.ask_of(config.to_json(), **where)
    version, digest = (kept.data.version, kept.data.arrays_digest) if kept else (None, None)
    return data.prepare(ask, screen.say, screen.reading, version=version, digest=digest, verify=options.verify)


def _make_room(config: RunConfig, files: RunFiles, *, every: int | None) -> None:
    """Remove all files of the run. Raise DiskFull if the disk has no room for its states and kept weights."""
    room = checkpoint.state_room(config.parameters, state_bytes(config) + average_bytes(config)) + _SMALL_FILES
    room += keeping.room(config.parameters, epochs=config.epochs, every=every)
    require_space(files.folder, room, f"the run {files.stem}")
    require_allowed()
    for path in files.present():
        path.unlink()
    for folder in (files.state, files.tracking, files.tensorboard):
        shutil.rmtree(folder, ignore_errors=True)


def in_its_precision(here: Place, config: RunConfig, kept: Record | None, say: Callable[[str], None]) -> Place:
    """Return the place with the precision that a run with `--precision auto` began in, wherever it resumes."""
    if config.precision != "auto" or not kept or not kept.places:
        return here
    began = kept.places[0].precision
    if began == "bf16":
        say("the run began in bf16 and resumes in it")
    return replace(here, precision=began)


def _place_of_training(here: Place, config: RunConfig, kept: Record | None, say: Callable[[str], None]) -> Place:
    """Return the place of a run in its precision. Raises InputError for a setting that another precision needs."""
    here = in_its_precision(here, config, kept, say)
    check_stream(config.residual_precision, computed_in=here.precision)
    return here


def place_of_evaluation(run: Run, options: Options, say: Callable[[str], None]) -> Place:
    """Return the place where a finished run is evaluated, in the precision that it was trained in."""
    asked = run.config.precision
    here = place.choose(device=options.device, precision=asked, threads=options.threads, exact=True)
    if asked == "tf32" != here.precision:
        say(f"note: {here.device} has no TF32, so the run is evaluated in {here.precision}")
    return in_its_precision(here, run.config, run.record, say)


def train(job: Job, pusher: Pusher | None, *, deadline: float | None) -> Run:
    """Train from the state, or from the start, to the end. Then test the final weights and complete the record.

    A run of 0 epochs tests the weights that it starts from.
    """
    job.screen.say(job.headline())
    if not job.config.epochs:
        with recorded(job.files, job.kept):
            return untrained.finish(job)
    forecast.warn(job)
    with recorded(job.files, job.kept):
        pace = Pace(job.screen.say, job.kept.schedule.total_steps)
        with CtrlC(pace) as answer, stop_requests(deadline=deadline, alone=job.here.ranks == 1, answer=answer) as asked:
            job, learner, saving = shortage.survived(
                job, lambda job: _trained(job, pusher, lambda: asked() or (pusher.verdict() if pusher else None), pace)
            )
        return finishing.finish(job, learner, saving)


def _trained(
    job: Job, pusher: Pusher | None, stop_asked: Callable[[], Reason | None], pace: Pace
) -> tuple[Job, Learner, Saving]:
    """Run the loop with the observers of the rank that writes."""
    job.screen.stage("building the model")
    learner = building.built(job)
    compiling = "" if job.chosen.compile == "off" else "compiling the model and "
    job.screen.stage(f"{compiling}computing the first step")
    config, state, total = job.config, job.state, job.kept.schedule.total_steps
    header = objective.log_header(config)
    if ledger.settle(job.kept, state, job.files.log):
        record.write(job.files.record, job.kept)
    kept_rows: dict[str, Any] = {"offset": state.facts.log_bytes, "sha256": state.facts.log_sha256} if state else {}
    with closing(log.TrainingLog(job.files.log, header=header, **kept_rows)) as rows:
        logging = Logging.after(rows, job.here, state.facts if state else None)
        logging.lambdas = partial(lambdas_of, learner.model)
        best = Best(job.files, learner.model, rows, found=state.facts.best if state else None, by=config.best_by)
        saving = Saving(
            job.files, learner, logging, best, total_steps=total, every=job.options.state_every,
            seconds_before=state.facts.seconds if state else 0.0, energy=job.stay.energy,
        )  # fmt: skip
        push, judges = job.options.push, judging.observers(job, rows)
        pushing = [Pushing(pusher.offer, push.every)] if pusher and push else []
        stopping = Stopping(job.here, judging.asked(stop_asked, judges), total, keepers=[saving, *pushing])
        progress = Progress(job.screen, rows, total)
        sinking = (
            [Diverging(job.here, job.screen.say, objective.guess_loss(config), total // config.epochs)]
            if job.task is task.classes
            else []
        )
        every, about = job.options.keep_every, finishing.metadata(config, job.kept)
        keepers = [keeping.KeepingEpochs(job.files, learner.model, rows, every, about, config.best_by)] if every else []
        try:
            seen: list[Observer] = [Begun(stop_asked), logging, best, *judges, *keepers, progress, *sinking]
            _fit(job, learner, [*seen, pace, stopping])
        finally:
            ledger.enter(job.kept, job.stay, saving)
    return job, learner, saving


def follow(
    config: RunConfig, files: RunFiles, path: str | None, options: Options, screen: Screen, here: Place,
    *, deadline: float | None,
) -> None:  # fmt: skip
    """Train on the other ranks, once the first has prepared the run: the same loop, without writing anything."""
    kept = record.read(files.record)
    here = in_its_precision(here, config, kept, screen.say)
    splits = data.splits(config, here, _cached(config, kept, path, options, screen), screen.say)
    job = Job(
        config=config, files=files, kept=kept, splits=splits, here=here,
        chosen=execution.again(kept.stored_execution, config, here, options.wishes, screen.say),
        state=checkpoint.load_state(files.state, screen.say), options=options, screen=screen,
        stay=ledger.Stay.begin(here),
    )  # fmt: skip
    here.take_threads(job.chosen.threads)
    learner = building.built(job)
    with CtrlC(Pace(screen.say)) as answer, stop_requests(deadline=deadline, answer=answer) as stop_asked:
        total = job.kept.schedule.total_steps
        shortage.together(job, lambda: _fit(job, learner, [Stopping(here, stop_asked, total)]))
    if not config.epochs:
        untrained.validated(job, learner.model)
    finishing.tested(job, learner.model)


def _fit(job: Job, learner: Learner, observers: Sequence[Observer]) -> None:
    """Run this rank's share of the loop to the last step."""
    config = job.config
    schedule = loop.Schedule(
        epochs=config.epochs, batch_size=config.batch_size, val_batch_size=config.val_batch_size,
        micro_batch_size=job.chosen.micro_batch_size, clip_norm=config.clip_norm,
        train_batches=config.train_batches, val_batches=config.val_batches,
        first_step=job.state.step + 1 if job.state else 1,
        learning_rate=lambda step: optim.learning_rate(
            step, lr=config.lr, total_steps=job.kept.schedule.total_steps, warmup_steps=job.kept.schedule.warmup_steps,
            schedule=config.schedule, lr_min=config.lr_min, epochs=config.epochs,
        ),
    )  # fmt: skip
    arithmetic = Arithmetic(
        place=job.here, seed=config.seed, task=job.task, objective=objective.of(job),
        dropping=drop_path.paths(learner.model), scaler=learner.scaler,
    )  # fmt: skip
    with deterministic.explained(config.model):
        loop.fit(
            building.spread(job, learner), learner.optimizer, train=job.splits.train, val=job.splits.val,
            schedule=schedule, observers=observers, arithmetic=arithmetic, average=learner.average,
        )  # fmt: skip
