"""A finished run on other files of its kind: patterns that were measured, other simulations. Its own test stays."""

from __future__ import annotations

import dataclasses

import msgspec

from .. import data, evaluation, models, place, task
from ..artifacts import checkpoint, provenance, record
from ..artifacts.parts import Errors, Rates, Results, tested
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..computing import execution
from ..computing.execution import Wishes
from ..data.splits.resident import Split
from ..errors import InputError
from ..place import Place
from ..system.locks import lock
from . import stages as training
from .observers import Screen
from .options import Options


def evaluate_on(run: Run, options: Options, screen: Screen, *, grid: str | None = None, best: bool = False) -> Run:
    """The run with its metrics on the files at `options.data`, in its results under `elsewhere` and their fingerprint.

    They are read as the run's own were, with the same range and background; `grid` says what their angles are. Rows of
    classes that the run does not know are left out. Raises InputError for an unfinished run, for a dataset of images,
    and for files that give other inputs than the run's.
    """
    if not run.done:
        raise InputError(f"run {run.record.run_id} is not finished; its train command continues it")
    with lock(run.files.lock, wait=False), place.own_threads():
        ask = _ask(run, options, grid)
        cached = data.prepare(ask, screen.say, screen.reading)
        here = training.place_of_evaluation(run, options, screen.say)
        names = run.record.data.class_names
        split = data.whole(run.config, here, cached, screen.say, names)
        predictions = predicted(run, split, here, options, screen, best=best)
        found = tested({
            "path": options.data, "version": cached.manifest.version, "weights": "best" if best else "final",
            "reading": dataclasses.asdict(ask.reading) if ask.reading else {}, "measured": provenance.now(),
            "rows_left_out": cached.manifest.rows["test"] - len(split), **evaluation.metrics(predictions),
        })  # fmt: skip
        results = run.record.results or Results()
        elsewhere = (results.elsewhere or {}) | {f"{ask.fingerprint}-{found.weights}": found}
        results = msgspec.structs.replace(results, elsewhere=elsewhere)
        done = Run(run.files, msgspec.structs.replace(run.record, results=results))
        record.write(run.files.record, done.record)
    return done


def _ask(run: Run, options: Options, grid: str | None) -> data.Ask:
    """What is asked for of the other files; raises InputError unless it gives the inputs that the run learned from."""
    config = run.config
    fields = config.to_json() | ({"grid": grid} if grid else {})
    ask = data.ask_of(fields, path=options.data, design=options.design, filelist=options.filelist)
    if ask.reading is None:
        raise InputError(f"--on is for runs on fields and patterns, not on {config.dataset}; leave it out")
    ask = ask.tested_whole()
    data.require_inputs(ask, config)
    return dataclasses.replace(ask, fingerprint=data.fingerprint(ask))


def predicted(run: Run, split: Split, here: Place, options: Options, screen: Screen, *, best: bool) -> Predictions:
    """The predictions of the final or the best weights, computed as the run was."""
    config = run.config
    run.require_whole("best" if best else "weights")
    chosen = execution.again(run.record.stored_execution, config, here, Wishes(threads=options.threads), screen.say)
    here.take_threads(chosen.threads)
    model = here.laid_out(models.build(config, **chosen.of_the_model).to(here.device))
    checkpoint.load_weights(run.files.best if best else run.files.weights, model)
    predictions = evaluation.predict(
        model, split, task=task.of(config.task), batch_size=config.val_batch_size, place=here
    )
    assert predictions, "one process has them all"
    return predictions


def latest(run: Run) -> Rates | Errors:
    """The metrics that were measured last."""
    assert run.record.results and run.record.results.elsewhere, "they were just measured"
    return max(run.record.results.elsewhere.values(), key=lambda found: found.measured or "")
