"""A finished run on other data of its kind: labelled images, patterns, simulations. Its test results stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from .. import data, evaluation, models, place, task
from ..artifacts import checkpoint, provenance, record
from ..artifacts.parts import Errors, Rates, Results, tested
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..artifacts.which import FINAL, Which
from ..computing import execution
from ..computing.execution import Wishes
from ..config import effects
from ..data.splits.resident import Split
from ..errors import InputError
from ..place import Place
from ..system.locks import lock
from ..system.printable import printable
from ..tables.decoding import decoding_of
from . import loading
from . import stages as training
from .observers import Screen
from .options import Options

_COLUMNS = ("label_column", "image_column")


def evaluate_on(
    run: Run, options: Options, screen: Screen, *, given: Mapping[str, str] | None = None, which: Which = FINAL
) -> Run:
    """Return the run with its metrics on the files at `options.data`, under `elsewhere` and their fingerprint.

    They are read as the run's data were: images are decoded and normalised alike, signals have the same range and
    background. `given` are settings of the files: the angles' `grid`, `label_column` and `image_column`. Rows of
    classes that the run does not know are skipped. Raises InputError for an unfinished run, and for files that give
    other inputs than the run's.
    """
    run.require_done()
    which.require(run)
    models.require_file(run.config)
    with lock(run.files.lock, wait=False), place.own_threads():
        ask = _ask(run, options, dict(given or {}))
        cached = data.prepare(ask, screen.say, screen.reading, verify=options.verify)
        here = training.place_of_evaluation(run, options, screen.say)
        split = _split(run, here, cached, screen)
        predictions = predicted(run, split, here, options, screen, weights=which.file)
        found = tested({
            "path": options.data, "version": cached.manifest.version, "weights": which.name,
            "reading": _reading(ask), "measured": provenance.now(),
            "rows_left_out": cached.manifest.rows["test"] - len(split), **_unreadable(cached),
            **evaluation.metrics(predictions),
        })  # fmt: skip
        results = run.record.results or Results()
        elsewhere = (results.elsewhere or {}) | {f"{ask.fingerprint}-{found.weights}": found}
        results = msgspec.structs.replace(results, elsewhere=elsewhere)
        done = Run(run.files, msgspec.structs.replace(run.record, results=results))
        record.write(run.files.record, done.record)
    return done


def _split(run: Run, here: Place, cached: data.Cached, screen: Screen) -> Split:
    """Return the rows that the run knows, after reporting how the data were understood."""
    about, layout = run.record.data, cached.layout
    if place := layout.places.get("test") or layout.places.get("train"):
        screen.say(f"testing on {cached.manifest.rows['test']:,} labelled rows of {printable(place)}")
    for each in layout.left_out:
        screen.say(f"left out: {printable(each.text)}")
    statistics = (about.mean, about.std) if about.mean and about.std else None
    return data.whole(run.config, here, cached, screen.say, about.class_names, statistics=statistics)


def _reading(ask: data.Ask) -> dict[str, Any]:
    """Return how the files were read, for the record."""
    if ask.reading:
        return dataclasses.asdict(ask.reading)
    columns = {name: getattr(ask, name) for name in _COLUMNS if getattr(ask, name)}
    return columns | {"class_level": ask.class_level}


def _unreadable(cached: data.Cached) -> dict[str, int]:
    """Return the number of images that could not be read, for the record, or nothing if all could."""
    left_out = cached.manifest.left_out
    return {"unreadable": len(left_out)} if left_out and not cached.has_array else {}


def _ask(run: Run, options: Options, given: dict[str, str]) -> data.Ask:
    """Return the query for the other files. Raise InputError unless their inputs are like those of the run."""
    config = run.config
    if effects.kind_of(config.dataset) == "image":
        return _ask_of_images(run, options, given)
    if wrong := [name for name in _COLUMNS if name in given]:
        raise InputError(
            f"--{wrong[0].replace('_', '-')} has no effect on {config.dataset}, because it is for images. Omit it"
        )
    fields = config.to_json() | given
    ask = data.ask_of(fields, path=options.data, design=options.design, filelist=options.filelist)
    ask = ask.tested_whole()
    data.require_inputs(ask, config)
    return dataclasses.replace(ask, fingerprint=data.fingerprint(ask))


def _ask_of_images(run: Run, options: Options, given: dict[str, str]) -> data.Ask:
    """Return the query for a labelled folder. Images are stored as the run's were, with its layout if that fits."""
    config, path = run.config, options.data
    unused = {"grid": given.get("grid"), "design": options.design, "filelist": options.filelist}
    if wrong := [name for name, value in unused.items() if value]:
        raise InputError(f"--{wrong[0]} has no effect on {config.dataset}, which contains images. Omit it")
    if not path or not Path(path).expanduser().is_dir():
        raise InputError(f"--on {path}: this folder does not exist. Give a folder of labelled images, or of tables")
    fields = {"dataset": f"local/{Path(path).expanduser().resolve().name}", "classes": config.classes}
    kept = {name: getattr(config, name) for name in ("image", "decoding_revision")}
    own = {name: getattr(config, name) for name in ("class_level", *_COLUMNS) if config.fingerprint}
    ask = dataclasses.replace(
        data.ask_of(fields | kept | own | given, path=path).tested_whole(),
        side=config.stored_side, channels=config.channels,
        decoding=dataclasses.replace(decoding_of(config.to_json()), span=loading.span_of(run), skip_unreadable=True),
    )  # fmt: skip
    try:
        return dataclasses.replace(ask, fingerprint=data.fingerprint(ask))
    except InputError:
        if not config.fingerprint or given:
            raise
    # the run's folder has another form
    ask = dataclasses.replace(ask, class_level="1", label_column=None, image_column=None)
    return dataclasses.replace(ask, fingerprint=data.fingerprint(ask))


def predicted(run: Run, split: Split, here: Place, options: Options, screen: Screen, *, weights: str) -> Predictions:
    """Return the predictions of weights by their name in `RunFiles`, computed as the run was."""
    config, model = run.config, restored(run, here, options, screen, weights=weights)
    predictions = evaluation.predict(
        model, split, task=task.of(config.task), batch_size=config.val_batch_size, place=here
    )
    assert predictions, "one process has them all"
    return predictions


def restored(run: Run, here: Place, options: Options, screen: Screen, *, weights: str) -> nn.Module:
    """Return the model with weights by their name in `RunFiles`, in eval mode, computed as the run was."""
    config = run.config
    run.require_whole(weights)
    chosen = execution.again(run.record.stored_execution, config, here, Wishes(threads=options.threads), screen.say)
    here.take_threads(chosen.threads)
    model = here.laid_out(models.build(config, **chosen.of_the_model).to(here.device))
    checkpoint.load_weights(getattr(run.files, weights), model)
    return model.eval()


def latest(run: Run) -> Rates | Errors:
    """Return the metrics that were computed last."""
    assert run.record.results and run.record.results.elsewhere, "they were just measured"
    return max(run.record.results.elsewhere.values(), key=lambda found: found.measured or "")
