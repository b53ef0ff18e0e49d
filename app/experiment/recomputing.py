"""A finished run's predictions, recomputed from its data and weights as the run was. No file of the run is written."""

from __future__ import annotations

from .. import data
from ..artifacts import split_rows
from ..artifacts.predictions import Predictions
from ..artifacts.runs import Run
from ..data.splits.division import Splits
from ..errors import InputError
from ..place import Place
from . import stages as training
from .earlier import streamed
from .elsewhere import predicted
from .observers import Screen
from .options import Options


def ask_of(run: Run, options: Options) -> data.Ask:
    """Return the ask for a run's data, in the folder `options.data` if there is one.

    Raises InputError if the data in that folder differ from the run's.
    """
    known = run.record.data
    if known.streamed:
        raise InputError(
            f"{streamed(run.record)}. Evaluate its stored predictions (without --again), or train with --fresh"
        )
    files = {"path": known.path, "design": known.design or None, "filelist": known.filelist or None}
    ask = data.ask_of(run.config.to_json(), **files)
    if options.data:
        ask = data.at(ask, options.data, design=options.design, filelist=options.filelist)
    return ask


def cached_of(run: Run, options: Options, screen: Screen) -> data.Cached:
    """Return the data of a finished run in the cache, at the run's version.

    Raises InputError if they are unavailable, and Damaged if their arrays differ from the run's.
    """
    known = run.record.data
    return data.prepare(
        ask_of(run, options), screen.say, screen.reading, version=known.version, digest=known.arrays_digest,
        verify=options.verify,
    )  # fmt: skip


def splits_of(run: Run, here: Place, options: Options, screen: Screen) -> Splits:
    """Return the splits of a finished run at the version of its data. Raise InputError if its test set differs now."""
    config, known = run.config, run.record.data
    noisy = ("train", *(("val",) if known.val_from in (None, "train") else ()))  # splits of the source's train rows
    stored = split_rows.given(run.files, *noisy) if known.label_noise else None
    splits = data.splits(config, here, cached_of(run, options, screen), screen.say, stored=stored)
    if splits.record["split_fingerprint"] != known.split_fingerprint:
        raise InputError(
            f"the test set of {config.dataset} differs from the one of run {config.run_id}, because its data "
            "changed. Restore the data, or evaluate the stored predictions (without --again)"
        )
    if known.label_noise and splits.record["label_noise"]["digest"] != known.label_noise.digest:
        raise InputError(
            f"the given labels of {config.dataset} differ from those of run {config.run_id}. Restore its split file, "
            "or evaluate the stored predictions (without --again)"
        )
    return splits


def tested(run: Run, options: Options, screen: Screen, *, weights: str) -> tuple[Predictions, Splits, Place]:
    """Return the predictions of weights by their name in `RunFiles`, the splits, and the place that computed them.

    They are computed with the run's preprocessing and in its precision. Raises InputError if its data are unavailable
    or differ.
    """
    here = training.place_of_evaluation(run, options, screen.say)
    found = splits_of(run, here, options, screen)
    return predicted(run, found.test, here, options, screen, weights=weights), found, here


def validated(run: Run, options: Options, screen: Screen, *, weights: str) -> Predictions:
    """Return the predictions of weights by their name in `RunFiles` for the validation split, as `tested` does."""
    here = training.place_of_evaluation(run, options, screen.say)
    return predicted(run, splits_of(run, here, options, screen).val, here, options, screen, weights=weights)
