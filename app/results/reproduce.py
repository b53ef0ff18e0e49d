"""Whether the published test of a run holds: its test set is predicted again and compared example by example."""

from __future__ import annotations

import numpy as np

from .. import place, task
from ..artifacts import split_rows
from ..artifacts.predictions import Predictions
from ..errors import Damaged, InputError, OtherData
from ..experiment import recomputing
from ..experiment.observers import Screen
from ..experiment.options import Options
from . import published as publishing
from .published import Published
from .reproduction import Fact, Reproduction
from .surroundings import differences, on_cpu_in_fp32

_EXACT = 1e-4  # on CPUs in fp32, whatever the machine
_ROUNDING = {"fp32": 1e-3, "tf32": 1e-2, "fp16": 1e-2, "bf16": 1e-1}  # elsewhere, as a part of the largest output
EVALUATION = "evaluation"


def reevaluated(published: Published, options: Options, screen: Screen) -> Reproduction:
    """Return whether the published test of a run holds to the last example. Nothing of the run is written.

    The published numbers must follow from the stored predictions. The test set is then predicted again with the run's
    weights, preprocessing and precision. On CPUs in fp32 the same number must be correct, and no output may differ by
    1e-4 or more (of a regression: by 1e-4 standard deviations of the targets). On a GPU or in another precision no
    output may differ by more than rounding explains, and changed predictions are counted.

    Raises InputError if the data are unavailable or differ from the run's.
    """
    screen.stage("comparing the published files and numbers with each other")
    facts = publishing.facts(published)
    if not publishing.are_weights_unchanged(published):
        text = "the weights are not those of the record, so the test set was not predicted again"
        return _report(published, [*facts, Fact(what="predictions", holds=None, text=text)], place.choose(device="cpu"))
    screen.stage("predicting the test set again")
    with place.own_threads():
        try:
            now, splits, here = recomputing.tested(published.run, options, screen, weights=published.weights)
        except OtherData as error:
            raise InputError(f"run {published.run.record.run_id} cannot be tried: {error}") from error
        facts += _again(published, now, splits.test.rows, here)
        return _report(published, facts, here)


def _report(published: Published, facts: list[Fact], here: place.Place) -> Reproduction:
    return Reproduction(
        record=published.run.record, origin=published.origin, commit=published.commit, how=EVALUATION,
        weights=published.which.name, facts=tuple(facts),
        differences=differences(published.run.record, here.describe()),
    )  # fmt: skip


def _again(published: Published, now: Predictions, rows: np.ndarray, here: place.Place) -> list[Fact]:
    """Return the facts on the rows and on the predictions of the test set that were made now."""
    try:
        before, stored = Predictions.load(published.predictions), split_rows.of_test(published.run.files)
    except Damaged as error:
        return [Fact(what="predictions", holds=False, text=str(error))]
    same = rows_agree(before, now) and np.array_equal(np.sort(stored), np.sort(rows))
    text = f"{len(now.rows):,} test rows with the published labels" if same else "other test rows or labels"
    found = [Fact(what="rows", holds=same, text=text, values={"n": len(now.rows)})]
    if same:
        found.append(predictions_fact(before, now, tolerance=_tolerance(published, before, here),
                                      strict=on_cpu_in_fp32(published.run.record, here)))  # fmt: skip
    return found


def rows_agree(before: Predictions, now: Predictions) -> bool:
    """Return whether two predictions are of the same rows with the same labels, in any order."""
    one, other = in_order(before), in_order(now)
    same = np.array_equal(one.rows, other.rows) and np.array_equal(one.labels, other.labels)
    return same and one.logits.shape == other.logits.shape


def in_order(found: Predictions) -> Predictions:
    """Return predictions in the order of their rows."""
    return found.in_order(np.argsort(found.rows, kind="stable"))


def _tolerance(published: Published, before: Predictions, here: place.Place) -> float:
    """Return the largest difference of an output that rounding explains, in the output's unit."""
    scale = 1.0 if before.task is task.classes else float(before.labels.std()) or 1.0
    if on_cpu_in_fp32(published.run.record, here):
        return _EXACT * scale
    part = max(
        _ROUNDING.get(each, _ROUNDING["bf16"]) for each in (here.precision, published.run.record.places[-1].precision)
    )
    largest = np.abs(before.logits[np.isfinite(before.logits)]).max(initial=1.0)
    return part * (float(largest) if before.task is task.classes else scale)


def predictions_fact(before: Predictions, now: Predictions, *, tolerance: float, strict: bool) -> Fact:
    """Return whether two predictions of the same rows agree, with the number of those that changed.

    `strict` also requires the same number of correct ones.
    """
    before, now = in_order(before), in_order(now)
    with np.errstate(invalid="ignore"):
        apart = np.where(before.logits == now.logits, 0.0, np.abs(before.logits.astype(np.float64) - now.logits))
    largest = float(apart.max(initial=0.0))
    within = bool(largest < tolerance)
    values = {"largest_difference": largest if np.isfinite(largest) else None, "tolerance": tolerance}
    outputs = f"largest difference of an output {largest:.2g} (allowed: below {tolerance:.2g})"
    if before.task is task.values:
        return Fact(what="predictions", holds=within, text=outputs, values=values)
    right = [int((each.logits.argmax(1) == each.labels).sum()) for each in (before, now)]
    changed = int((before.logits.argmax(1) != now.logits.argmax(1)).sum())
    text = (
        f"{right[1]:,} of {len(now.rows):,} correct, published {right[0]:,}; {changed:,} predictions changed; {outputs}"
    )
    values |= {"correct": right[1], "published_correct": right[0], "changed": changed}
    return Fact(what="predictions", holds=within and (right[0] == right[1] or not strict), text=text, values=values)
