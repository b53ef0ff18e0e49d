"""The temperature of a finished run, fitted on its validation split: Guo et al. 2017, arXiv:1706.04599, section 4.2."""

from __future__ import annotations

from msgspec.structs import replace

from .. import evaluation, models, place
from ..artifacts import provenance
from ..artifacts.parts import Results, Temperature
from ..artifacts.runs import Run
from ..artifacts.which import Which
from ..errors import InputError
from . import recomputing
from .observers import Screen
from .options import Options


def fitted(run: Run, options: Options, screen: Screen, *, which: Which, again: bool) -> Run:
    """Return the run with the temperature of its weights in its results. The record is not written.

    A known one is kept unless `again`. No test example is used. Raises InputError for a regression, data that are
    unavailable, and a validation split on which no temperature has the lowest loss.
    """
    if run.config.task != "classification":
        raise InputError(f"run {run.record.run_id} predicts a number, which has no temperature. Omit --temperature")
    results = run.record.results or Results()
    known = results.temperatures or {}
    if which.name in known and not again:
        return run
    models.require_file(run.config)
    found = known | {which.name: _fitted(run, options, screen, which)}
    return Run(run.files, replace(run.record, results=replace(results, temperatures=found)))


def _fitted(run: Run, options: Options, screen: Screen, which: Which) -> Temperature:
    from ..statistics import reliability  # it needs scipy, which training does not wait for

    screen.stage("fitting a temperature on the validation split")
    with place.own_threads():
        predictions = recomputing.validated(run, options, screen, weights=which.file)
    evaluation.require_numbers(predictions)
    value = reliability.temperature(predictions.logits, predictions.labels)
    if value is None:
        raise InputError(
            f"no temperature has the lowest loss on the {len(predictions.rows):,} validation rows of run "
            f"{run.record.run_id}: all of them are classified correctly, or the outputs say nothing about the labels. "
            "Omit --temperature, or train a run with more validation rows"
        )
    before, after = (reliability.nll(predictions.logits, predictions.labels, each).mean() for each in (1.0, value))
    return Temperature(
        value=value, n=len(predictions.rows), nll_before=float(before), nll_after=float(after),
        measured=provenance.now(),
    )  # fmt: skip
