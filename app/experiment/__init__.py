"""One run, from what was asked for to its artifacts: `train` makes or continues it, `evaluate` measures it again."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from app import __version__, data, evaluation, log, models, optim, place, train
from app.artifacts import checkpoint
from app.artifacts.paths import Run, RunFiles, read_record, write_record
from app.config import RunConfig, resolve
from app.data.source import Ask
from app.durable import lock, require_space
from app.errors import InputError
from app.experiment import execution, record
from app.experiment.keeper import Keeper, Screen, restore, stop_requests


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is computed and kept; nothing here is part of its name."""

    checkpoints: Path = Path("checkpoints")
    device: str = "auto"
    threads: int | None = None
    attention_path: str | None = None
    micro_batch_size: int | None = None
    state_every: float = 300.0  # seconds
    fresh: bool = False
    command: str = ""


def plan(request: Mapping[str, Any], screen: Screen) -> RunConfig:
    """The config that a request stands for; nothing is written but a dataset's cache. Raises InputError."""
    return resolve(request, data.facts(request, screen.say, screen.reading))


def train_run(config: RunConfig, options: Options, screen: Screen, *, path: str | None = None) -> Run:
    """Trains a run to its end, or continues it where it was stopped, or finds it done; then tests its final weights.

    `path` is where a local dataset lies. Raises InputError for bad input, and Stopped when a signal asked for it.
    """
    files = RunFiles.of(options.checkpoints, config)
    with lock(files.lock, wait=False):
        kept = read_record(files.record) if files.record.exists() and not options.fresh else None
        if kept and kept["status"] == "done":
            screen.say(f"done already: {files.record} (--fresh trains it anew)")
            shutil.rmtree(files.state, ignore_errors=True)  # left by a kill after the last write
            if missing := [path for path in (files.weights, files.predictions) if not path.exists()]:
                raise InputError(f"the run is done, but {missing[0]} is gone; download it again or train --fresh")
            return Run(files, kept)
        return _train(config, files, kept, path, options, screen)


def _forget(files: RunFiles) -> None:
    for path in files.present():
        path.unlink()
    shutil.rmtree(files.state, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A run under way: what `train_run` hands from one stage to the next; `kept` is the record as it grows."""

    config: RunConfig
    files: RunFiles
    kept: dict[str, Any]
    splits: data.Splits
    here: place.Place
    chosen: execution.Execution
    state: checkpoint.State | None
    options: Options
    screen: Screen


def _train(
    config: RunConfig, files: RunFiles, kept: dict[str, Any] | None, path: str | None, options: Options, screen: Screen
) -> Run:
    precision = _precision(config, kept, screen)
    here = place.choose(device=options.device, precision=precision, threads=options.threads)
    began = kept["data"].get("streamed", False) if kept else None
    ask = data.ask_of(config.to_json(), path=path, streamed=began)
    cached = data.prepare(ask, screen.say, screen.reading, version=kept["data"]["version"] if kept else None)
    splits = data.splits(config, here, cached, screen.say)
    given: dict[str, Any] = {"attention_path": options.attention_path, "micro_batch_size": options.micro_batch_size}
    if kept:
        chosen = execution.again(kept["execution"], here, screen.say, threads=options.threads, **given)
    else:
        chosen = execution.choose(config, here, **given)
        require_space(files.folder, 40 * config.parameters + (1 << 24), f"the run {files.stem}")
        _forget(files)
        kept = record.new(config, ask=ask, manifest=cached.manifest, splits=splits, command=options.command)
        kept["execution"] = chosen.to_json()
        record.save_splits(files, splits)
    state = checkpoint.load_state(files.state, screen.say)
    kept["places"].append({**here.describe(), "from_step": state.step if state else 0, "started": record.now()})
    _schedule(config, kept, splits, screen)
    write_record(files.record, kept)
    job = _Job(
        config=config, files=files, kept=kept, splits=splits, here=here, chosen=chosen, state=state,
        options=options, screen=screen,
    )  # fmt: skip
    torch.manual_seed(config.seed)
    model = models.build(config, attention_path=chosen.attention_path).to(here.device)
    screen.say(_headline(job))
    return _finish(job, model, _fit(job, model))


def _precision(config: RunConfig, kept: Mapping[str, Any] | None, screen: Screen) -> str:
    """The config's precision; `auto` is what the run began with, wherever it is continued or evaluated."""
    if config.precision != "auto" or not kept or not kept["places"]:
        return config.precision
    began: str = kept["places"][0]["precision"]
    if began == "bf16":
        screen.say("the run began in bf16 and goes on in it")
    return began


def _schedule(config: RunConfig, kept: dict[str, Any], splits: data.Splits, screen: Screen) -> None:
    """Writes the schedule's length and warm-up into the record; says what a reader of the result must know."""
    total = config.epochs * train.steps_per_epoch(len(splits.train), config.batch_size)
    warmup_steps, clamped = optim.warmup(config.warmup_steps, total, clamp=config.clamp_warmup)
    kept["schedule"] = {"total_steps": total, "warmup_steps": warmup_steps}
    for note in (kept["data"]["warning"], clamped):
        if note:
            screen.say(f"note: {note}")


def _headline(job: _Job) -> str:
    kept, shape, rows = job.kept, job.config, job.kept["data"]["rows"]
    begin = f"continues at step {job.state.step + 1}" if job.state else "begins"
    return (
        f"run {kept['run_id']} {begin}: {shape.model} {shape.size} ({kept['parameters']['total']:,} parameters: "
        f"d_model {shape.d_model}, depth {shape.depth}, heads {shape.heads}, {kept['tokens']} tokens) on "
        f"{shape.dataset} (train {rows['train']:,}, validation {rows['val']:,}, test {rows['test']:,}), "
        f"{job.here.device.type} {job.here.precision}, attention path {job.chosen.attention_path}, "
        f"micro-batch {job.chosen.micro_batch_size}"
    )


def _fit(job: _Job, model: nn.Module) -> Keeper:
    """Runs the loop from the state, or from the start, to the last step."""
    config, state, numbers = job.config, job.state, job.kept["schedule"]
    optimizer = optim.adamw(model, lr=config.lr, weight_decay=config.weight_decay)
    if state:
        restore(state, model, optimizer)
    header = {"run_id": config.run_id, "model": config.model, "size": config.size, "dataset": config.dataset}
    rows = log.TrainingLog(job.files.log, header=header, offset=state.facts["log_bytes"] if state else 0)
    schedule = train.Schedule(
        epochs=config.epochs, batch_size=config.batch_size, val_batch_size=config.val_batch_size,
        micro_batch_size=job.chosen.micro_batch_size, clip_norm=config.clip_norm, seed=config.seed,
        learning_rate=lambda step: optim.learning_rate(step, lr=config.lr, **numbers),
    )  # fmt: skip
    with closing(rows), stop_requests() as stop_asked:
        keeper = Keeper(
            files=job.files, model=model, optimizer=optimizer, place=job.here, log=rows, screen=job.screen,
            total_steps=numbers["total_steps"], state_every=job.options.state_every, stop_asked=stop_asked,
            best=state.facts["best"] if state else None, seconds_before=state.facts["seconds"] if state else 0.0,
        )  # fmt: skip
        first = state.step + 1 if state else 1
        rest: dict[str, Any] = {"schedule": schedule, "hooks": keeper, "first_step": first}
        try:
            train.fit(model, optimizer, train=job.splits.train, val=job.splits.val, **rest)
        except torch.OutOfMemoryError as error:
            smaller = max(1, schedule.micro_batch_size // 2)
            raise InputError(
                f"the device's memory is too small for {schedule.micro_batch_size} images at a time; "
                f"--micro-batch-size {smaller} continues the run"
            ) from error
    return keeper


def _finish(job: _Job, model: nn.Module, keeper: Keeper) -> Run:
    """Keeps final and best weights, tests the final ones, completes the record; only then is the state let go."""
    assert keeper.best is not None, "no epoch ended"
    files, kept, text = job.files, job.kept, _metadata(job.kept)
    checkpoint.save_weights(files.weights, model, text)
    began = time.monotonic()
    predictions = evaluation.predict(
        model, job.splits.test, batch_size=job.config.val_batch_size, autocast=job.here.autocast
    )
    predictions.save(files.predictions)
    kept["best"] = {name: value for name, value in keeper.best.items() if name != "file"}
    kept["seconds"] = {"training": round(keeper.seconds, 1), "test": round(time.monotonic() - began, 1)}
    kept["results"] = {"test": evaluation.metrics(predictions)}
    checkpoint.load_weights(files.state / keeper.best["file"], model)
    checkpoint.save_weights(files.best, model, text)
    kept |= {"status": "done", "finished": record.now()}
    write_record(files.record, kept)
    shutil.rmtree(files.state)
    return Run(files, kept)


def _metadata(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the weights' own header says: enough to build the model again from the file alone."""
    names = kept["data"]["class_names"]
    return {"version": __version__, "run_id": kept["run_id"], "config": kept["config"], "class_names": names}


def evaluate(run: Run, options: Options, screen: Screen, *, best: bool = False, again: bool = False) -> Run:
    """The run with its test results: from the stored predictions, or with `again` from its weights and data.

    Raises InputError for an unfinished run, for damaged files, and unless every test row was seen exactly once.
    """
    if not run.done:
        raise InputError(f"run {run.record['run_id']} is not finished; its train command continues it")
    path = run.files.best_predictions if best else run.files.predictions
    if again or not path.exists():
        _predict(run, options, screen, best=best)
    predictions = evaluation.Predictions.load(path)
    evaluation.require_same_rows(predictions, record.test_rows(run.files))
    results = run.record.get("results", {}) | {"test_best" if best else "test": evaluation.metrics(predictions)}
    done = dataclasses.replace(run, record=run.record | {"results": results})
    write_record(run.files.record, done.record)
    return done


def _predict(run: Run, options: Options, screen: Screen, *, best: bool) -> None:
    """Makes the predictions of the final or the best weights anew."""
    config = run.config
    precision = _precision(config, run.record, screen)
    here = place.choose(device=options.device, precision=precision, threads=options.threads)
    known = run.record["data"]
    ask: Ask = data.ask_of(config.to_json(), path=known["path"], streamed=known.get("streamed", False))
    cached = data.prepare(ask, screen.say, screen.reading, version=known["version"])
    splits = data.splits(config, here, cached, screen.say)
    if splits.record["split_fingerprint"] != known["split_fingerprint"]:
        raise InputError(f"the test set of {config.dataset} is not the one of run {config.run_id}: its data changed")
    record.save_splits(run.files, splits)
    path = run.record["execution"]["attention_path"]
    model = models.build(config, attention_path=path).to(here.device)
    checkpoint.load_weights(run.files.best if best else run.files.weights, model)
    predictions = evaluation.predict(model, splits.test, batch_size=config.val_batch_size, autocast=here.autocast)
    predictions.save(run.files.best_predictions if best else run.files.predictions)
